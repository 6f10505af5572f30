"""The folder that holds every cache, and how much of the disk they may take together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from tlpipe.training.store import describe


def root() -> Path:
    """Where the caches lie: ``TLPIPE_CACHE``, else the user's cache folder."""
    if "TLPIPE_CACHE" in os.environ:
        return Path(os.environ["TLPIPE_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tlpipe" / "activations"


@contextmanager
def alone() -> Iterator[None]:
    """Held while a cache is created: of two processes that share the folder, one waits.

    Else the second could put empty files in the place of those that the first has begun to fill.
    """
    root().mkdir(parents=True, exist_ok=True)
    with FileLock(root() / ".lock"):
        yield


def stored() -> list[dict]:
    """Every cache on this machine, least recently used first."""
    if not root().is_dir():
        return []
    found = [describe(folder) for folder in root().iterdir() if folder.is_dir()]
    return sorted(found, key=lambda entry: entry["used"])


def clear() -> int:
    """Deletes every cache; returns the bytes that became free."""
    freed = sum(entry["bytes"] for entry in stored())
    shutil.rmtree(root(), ignore_errors=True)
    return freed


def make_room(needed: int, limit: int, keep: Sequence[str]) -> None:
    """Deletes the least recently used caches until ``needed`` bytes fit under ``limit``."""
    if needed > limit:
        return
    others = [entry for entry in stored() if Path(entry["folder"]).name not in keep]
    total = sum(entry["bytes"] for entry in others)
    for entry in others:
        if total + needed <= limit:
            return
        shutil.rmtree(entry["folder"], ignore_errors=True)
        total -= entry["bytes"]


def free_bytes(folder: Path) -> int:
    """Free on the disk on which ``folder`` lies or would lie."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
