"""What is measured of each picture, beside what the scan says of its file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from importlib.resources.abc import Traversable
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from tlpipe.audit.evidence.properties import measure
from tlpipe.data.decode import FORMATS, DecodeError
from tlpipe.data.machine import usable_cores
from tlpipe.data.pixels import RGB, Pixels, gray
from tlpipe.data.resize import coarsest, resize
from tlpipe.data.scan import Picture, Progress
from tlpipe.errors import DataError

# Pictures are reduced to as many pixels as a square of this side has; smaller ones stay.
SIDE = 224
# Levels, of 0..255, by which pixels may differ and still be of one colour.
NEAR = 8
# Levels of colour that compression leaves in a gray picture.
COLOURLESS = 6


def look(
    root: Traversable,
    pictures: Sequence[Picture],
    kind: Pixels = RGB,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Properties of pictures by name, (n,) each; none when there are no pictures.

    Beside those of ``evidence.properties.measure``: ``format`` (str), of the file; ``one colour``:
    share of the pixels within 8 levels of the median colour; ``darkest``, ``brightest``: the gray
    levels that 5 % of the pixels are below and above; ``blur``, 0..1: how little a further blur
    takes away (Crete et al., "The Blur Effect", 2007); ``gray`` (of three channels only): 1 where
    there is no colour, else 0.

    Args:
        root: the data.
        pictures: what the scan found.
        kind: how the files' bytes become pixels.
        progress: called with (done, total).

    Raises:
        DataError: a picture was removed or damaged since the scan.
    """
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        # In slices, so that Ctrl-C is not kept waiting.
        for start in range(0, len(pictures), 256):
            part = pictures[start : start + 256]
            for row in pool.map(lambda picture: _look(root, picture, kind), part):
                rows.append(row)
                if progress:
                    progress(len(rows), len(pictures))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}


def read(root: Traversable, picture: Picture, kind: Pixels, side: int) -> tuple[bytes, np.ndarray]:
    """The bytes of a picture, and uint8 (h, w, channels), scaled down while it is decoded.

    Args:
        root: the data.
        picture: which.
        kind: how its bytes become pixels.
        side: pixels that the shorter side keeps at least, where it has as many.

    Raises:
        DataError: it was removed or damaged since the scan.
    """
    try:
        data = (root / picture.path).read_bytes()
        return data, kind.decode(data, coarsest(picture.height, picture.width, side))
    except (OSError, DecodeError) as error:
        raise DataError(
            "A picture changed while the data were being read.",
            where=picture.path,
            cause=str(error),
            todo="run the same command again when nothing else writes there",
        ) from error


def _look(root: Traversable, picture: Picture, kind: Pixels) -> dict[str, Any]:
    data, pixels = read(root, picture, kind, SIDE)
    pixels = _reduced(pixels)
    flat = gray(pixels)
    planes = [np.ascontiguousarray(pixels[..., i]) for i in range(pixels.shape[2])]
    # A plane at a time: NumPy is slow along an axis of three.
    away = reduce(cv2.max, (cv2.absdiff(x, float(np.median(x))) for x in planes))
    darkest, brightest = np.percentile(flat, (5, 95))
    found = {name: value[0] for name, value in measure(pixels[None], [picture]).items()}
    found |= {
        "format": _format(data),
        "one colour": float((away <= NEAR).mean()),
        "darkest": float(darkest),
        "brightest": float(brightest),
        "blur": _blur(flat.astype(np.float32)),
    }
    if pixels.shape[2] == 3:
        chroma = reduce(cv2.max, planes) - reduce(cv2.min, planes)
        found["gray"] = float((chroma <= COLOURLESS).mean() >= 0.99)
    return found


def _reduced(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = SIDE / (height * width) ** 0.5
    if scale >= 1:
        return pixels
    return resize(pixels, max(1, round(height * scale)), max(1, round(width * scale)))


def _blur(flat: np.ndarray) -> float:
    """0 for the sharpest; the worse of the two directions."""
    found = []
    for axis, size in ((1, (9, 1)), (0, (1, 9))):
        steps = np.abs(np.diff(flat, axis=axis))
        left = np.abs(np.diff(cv2.blur(flat, size), axis=axis))
        # Where nothing varies, nothing is blurred.
        lost = float(np.maximum(steps - left, 0).sum()) / max(float(steps.sum()), 1e-6)
        found.append(1 - lost if steps.any() else 0.0)
    return max(found)


def _format(data: bytes) -> str:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return "JPEG" if image.format == "MPO" else image.format
    except UnidentifiedImageError:
        return "array"
