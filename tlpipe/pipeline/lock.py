"""One process a folder."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tlpipe.errors import RunError
from tlpipe.pipeline.atomic import read_json, write_json


@contextmanager
def holding(folder: Path, patience: float = 0) -> Iterator[None]:
    """Holds the folder.

    Raises:
        RunError: another process, which it names, still holds it after ``patience`` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / ".lock.json"
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        who = read_json(holder) if holder.exists() else {}
        raise RunError(
            f"Another process is working in '{folder}'.",
            cause=f"process {who.get('pid', '?')} on {who.get('host', '?')} "
            f"has held it since {who.get('since', '?')}",
            todo="wait for it, stop it, or choose another folder with --out",
        ) from None
    try:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        write_json(holder, {"pid": os.getpid(), "host": socket.gethostname(), "since": since})
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
