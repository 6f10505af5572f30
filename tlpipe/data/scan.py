"""Every file is read and decoded once: what it holds, or why it can't be used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.resources.abc import Traversable

import cv2
import numpy as np

from tlpipe.data.decode import DecodeError
from tlpipe.data.folder import BadFile, Found, Listing
from tlpipe.data.machine import usable_cores
from tlpipe.data.pixels import RGB, Pixels, gray

Progress = Callable[[int, int], None]
PARTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole picture: one row of the manifest.

    Attributes:
        path: relative to the root, posix.
        label: the class, or what else it is to learn, as text.
        split: "train", "val", "test", or None while undecided.
        width: pixels, as displayed.
        height: pixels, as displayed.
        bytes: the size of the file.
        sha256: of the file, 64 hex digits.
        phash: perceptual hash, 16 hex digits.
        group: pictures of one group stay on one side of the split; "" when alone.
    """

    path: str
    label: str
    split: str | None
    width: int
    height: int
    bytes: int
    sha256: str
    phash: str
    group: str = ""


@dataclass(frozen=True)
class Scan:
    """The whole pictures, in the order of the listing, and the files that are set aside."""

    pictures: list[Picture]
    bad: list[BadFile]


def scan(
    listing: Listing,
    *,
    pixels: Pixels = RGB,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Scan:
    """Read and decode every file of a listing, in parallel; the result does not depend on how.

    Args:
        listing: what ``source.list_data`` found.
        pixels: how their bytes become pixels.
        workers: threads; as many as there are cores when None.
        progress: called with (done, total) from the calling thread.
    """
    files = listing.files
    pictures: list[Picture] = []
    bad = list(listing.set_aside)
    look = partial(_look, listing.root, pixels)
    with ThreadPoolExecutor(workers or usable_cores()) as pool:
        # In slices, so that Ctrl-C is not kept waiting by a queue of a hundred thousand files.
        for start in range(0, len(files), 512):
            chunk = files[start : start + 512]
            for done, result in enumerate(pool.map(look, chunk), start + 1):
                (pictures if isinstance(result, Picture) else bad).append(result)
                if progress:
                    progress(done, len(files))
    return Scan(pictures, bad)


def perceptual_hash(pixels: np.ndarray) -> str:
    """The 64-bit DCT hash of uint8 (H, W, channels), as 16 hex digits.

    The 8 x 8 lowest frequencies of a 32 x 32 gray picture, without the first row and column,
    compared with their median: Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions", 2010.
    """
    # What reduces many channels takes four at a time; gray first is as good there.
    many = pixels.shape[2] != 3
    small = cv2.resize(gray(pixels) if many else pixels, (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct((small if many else gray(small)).astype(np.float32))[1:9, 1:9]
    return np.packbits(low > np.median(low)).tobytes().hex()


def _look(root: Traversable, kind: Pixels, file: Found) -> Picture | BadFile:
    try:
        data = (root / file.path).read_bytes()
        width, height, pixels = kind.inspect(data)
    except DecodeError as error:
        return BadFile(file.path, str(error))
    except OSError as error:
        return BadFile(file.path, f"can't be read: {error.strerror or error}")
    return Picture(
        path=file.path,
        label=file.label,
        split=file.split,
        width=width,
        height=height,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        phash=perceptual_hash(pixels),
        group=file.group,
    )
