"""The folder that holds every cache, and how much of the disk they may take together."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from tlpipe.training.store import describe

# A cache is named by its key; whatever else lies in the folder belongs to somebody else.
_KEY = re.compile(r"[0-9a-f]{24}")
# A disk that is full to the brim helps nobody.
_OF_THE_DISK = 0.8


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
    folders = [path for path in root().iterdir() if _KEY.fullmatch(path.name) and path.is_dir()]
    found = [describe(folder) for folder in folders]
    return sorted(found, key=lambda entry: entry["used"])


def clear() -> int:
    """Deletes every cache; returns the bytes that became free."""
    if not root().is_dir():
        return 0
    with alone():
        found = stored()
        for entry in found:
            shutil.rmtree(entry["folder"], ignore_errors=True)
    return sum(entry["bytes"] for entry in found)


def make_room(needed: int, limit: int, keep: Sequence[str]) -> None:
    """Deletes the least recently used caches until ``needed`` bytes fit.

    Under ``limit``, together with all the others, and onto the disk; none is deleted where that
    would not be enough. The caches ``keep`` are those that need the room.
    """
    others = [entry for entry in stored() if Path(entry["folder"]).name not in keep]
    total = sum(entry["bytes"] for entry in others)
    if needed > min(limit, room_on_disk(keep) + _OF_THE_DISK * total):
        return
    for entry in others:
        if total + needed <= limit and needed <= room_on_disk(keep):
            return
        shutil.rmtree(entry["folder"], ignore_errors=True)
        total -= entry["bytes"]


def room_on_disk(keep: Sequence[str]) -> float:
    """Bytes that the caches ``keep`` may take of the disk, with what they have already."""
    held = sum(describe(root() / key)["bytes"] for key in keep if (root() / key).exists())
    return _OF_THE_DISK * free_bytes(root()) + held


def free_bytes(folder: Path) -> int:
    """Free on the disk on which ``folder`` lies or would lie."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
