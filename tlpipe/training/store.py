"""Activations on disk: one file, memory-mapped, a checksum an entry."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from tlpipe.data.mapped import checksum, memory_map
from tlpipe.errors import TrainingError
from tlpipe.pipeline.atomic import write_json


class Store:
    """Room for ``views`` augmented views of each training picture and one of the others.

    An entry is whole when its checksum is: the checksum is written after the values, so that a
    killed or torn write leaves an entry that counts as missing and is made again.

    Args:
        folder: a folder of its own, named after everything the values depend on.
        shape: of one activation, without the batch.
        dtype: ``float16`` or ``float32``.
        views: augmented views a training picture has.
        train: rows of the manifest that are augmented, int64.
        plain: rows that are not, int64.
        facts: what the folder's name was made from, written beside the values for `cache list`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        shape: tuple[int, ...],
        dtype: str,
        views: int,
        train: np.ndarray,
        plain: np.ndarray,
        facts: dict,
    ):
        self.folder, self.dtype, self.views = Path(folder), np.dtype(dtype), views
        entries = views * len(train) + len(plain)
        top = int(max(train.max(initial=0), plain.max(initial=0))) + 1
        self._train, self._plain = np.full(top, -1), np.full(top, -1)
        self._train[train] = np.arange(len(train))
        self._plain[plain] = np.arange(len(plain))
        self._per_view, self._first_plain = len(train), views * len(train)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._values = memory_map(self.folder / "values.bin", self.dtype, (entries, *shape))
        self._sums = memory_map(self.folder / "checksums.bin", "uint32", (entries,))
        self._verified = np.zeros(entries, bool)
        if not (self.folder / "facts.json").exists():
            write_json(self.folder / "facts.json", facts)
        touch(self.folder)

    @staticmethod
    def bytes_needed(shape: tuple[int, ...], dtype: str, views: int, train: int, plain: int) -> int:
        """Size on disk when full."""
        return (views * train + plain) * (int(np.prod(shape)) * np.dtype(dtype).itemsize + 4)

    def has(self, rows: np.ndarray, view: int | None) -> np.ndarray:
        """Which of ``rows`` are stored whole, bool (n,); each is checked once a process."""
        entries = self._entries(rows, view)
        for entry in entries[(self._sums[entries] != 0) & ~self._verified[entries]]:
            if checksum(self._values[entry]) == self._sums[entry]:
                self._verified[entry] = True
            else:
                self._sums[entry] = 0
        return self._verified[entries]

    def write(self, rows: np.ndarray, view: int | None, values: np.ndarray) -> None:
        """Stores ``values`` (n, *shape). Raises TrainingError when they don't fit the dtype."""
        whole = rounded(values, self.dtype)
        for entry, value in zip(self._entries(rows, view), whole, strict=True):
            if not self._verified[entry]:
                self._values[entry] = value
                self._sums[entry] = checksum(value)
                self._verified[entry] = True

    def read(self, rows: np.ndarray, view: int | None) -> np.ndarray:
        """The stored values (n, *shape) in the store's dtype; they must be there."""
        return self._values[self._entries(rows, view)]

    def flush(self) -> None:
        """Hands what was written to the file system, for other machines to see."""
        # Values first: a checksum must not be seen before what it is of.
        self._values.flush()
        self._sums.flush()

    def _entries(self, rows: np.ndarray, view: int | None) -> np.ndarray:
        if view is None:
            return self._first_plain + self._plain[rows]
        return view * self._per_view + self._train[rows]


def rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """``values`` in ``dtype``. Raises TrainingError when some are too large for it."""
    with np.errstate(over="ignore"):
        found = values.astype(dtype)
    if not np.isfinite(found).all():
        raise TrainingError(
            f"Activations up to {np.abs(values).max():.3g} don't fit into {dtype}.",
            todo="use --set prepare.cache_dtype=float32, or --cache off",
        )
    return found


def touch(folder: Path) -> None:
    """Marks a store as used now, so that the least recently used goes first."""
    # Another run may have needed the room.
    if folder.is_dir():
        (folder / "used").write_text(time.strftime("%Y-%m-%d %H:%M:%S"))


def describe(folder: Path) -> dict:
    """What lies in a store's folder: its facts, its size on disk in bytes, when it was used."""
    facts = folder / "facts.json"
    used = folder / "used"
    return {
        "folder": str(folder),
        "bytes": sum(f.stat().st_blocks * 512 for f in folder.iterdir() if f.is_file()),
        "used": used.read_text() if used.exists() else "",
        "facts": json.loads(facts.read_text(encoding="utf-8")) if facts.exists() else {},
    }
