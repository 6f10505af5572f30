"""Memory-mapped files that survive a kill, and the checksum that tells whole entries from torn."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np

from tlpipe.pipeline.atomic import beside


def memory_map(path: Path, dtype: np.dtype | str, shape: tuple[int, ...]) -> np.memmap:
    """The file as an array that is read and written in place; made, all zero, when not there.

    A file of another size is replaced. Raises OSError when the disk has no room for all of it.
    """
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    if path.exists() and path.stat().st_size != size:
        path.unlink()
    if not path.exists():
        temporary = beside(path)
        try:
            with temporary.open("wb") as file:
                # Taken now: with a sparse file, a disk that fills up later would end us by SIGBUS.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                file.truncate(size)
            os.replace(temporary, path)
        except BaseException:
            # Or what was taken of a disk that is too small would stay taken.
            temporary.unlink(missing_ok=True)
            raise
    return np.memmap(path, dtype, "r+", shape=shape)


def checksum(value: np.ndarray) -> int:
    """CRC-32 of the bytes, 1 or more: zero stands for "not written"."""
    return zlib.crc32(np.ascontiguousarray(value)) or 1
