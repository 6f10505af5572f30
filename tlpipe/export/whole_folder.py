"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlpipe.errors import ConfigError
from tlpipe.pipeline.atomic import beside

# A folder that holds this was written by an export, and may be replaced by one.
MARK = "about.json"


@contextmanager
def writing_folder(folder: Path) -> Iterator[Path]:
    """Yields a new folder beside ``folder``, which takes its place when the block succeeds.

    Raises:
        ConfigError: something that no export wrote is in the way.
    """
    check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(folder)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb") as written:
                    os.fsync(written.fileno())
        old = beside(folder)
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_replaceable(folder: Path) -> None:
    """Raises ConfigError where something stands that no export wrote."""
    if folder.exists() and not (folder / MARK).is_file():
        raise ConfigError(
            f"'{folder}' is in the way.",
            cause="it was not written by an export, so it is not replaced",
            todo="move it, or choose another folder with --out",
        )
