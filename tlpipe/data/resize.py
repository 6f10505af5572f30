"""From a picture of any shape to the network's square: the one evaluation transform."""

from __future__ import annotations

import cv2
import numpy as np

from tlpipe.errors import ConfigError, nearest

MODES = ("crop", "pad", "squash")

# The loader's threads already fill every core.
cv2.setNumThreads(0)


def fit(image: np.ndarray, size: int, mode: str = "crop") -> np.ndarray:
    """Fit a whole picture into a square. Pure.

    Args:
        image: uint8 (H, W, channels).
        size: side of the result in pixels.
        mode: ``crop`` keeps the shape and cuts the centre square; ``pad`` keeps the whole picture
            and its shape, with black bars; ``squash`` keeps the whole picture and bends its shape.

    Returns:
        uint8 (size, size, channels).

    Raises:
        ConfigError: an unknown mode.
    """
    check_mode(mode)
    height, width = image.shape[:2]
    if mode == "crop":
        # Cutting first gives the picture that "short side to size, then cut" gives, for less work.
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    elif mode == "pad":
        scale = size / max(height, width)
        image = resize(image, max(1, round(height * scale)), max(1, round(width * scale)))
        return pad_to_square(image)
    return resize(image, size, size)


def check_mode(mode: str) -> None:
    """Raise ``ConfigError`` unless ``mode`` is one of ``MODES``."""
    if mode not in MODES:
        raise ConfigError(f"Unknown resize mode '{mode}'.", todo=nearest(mode, MODES))


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize uint8 (H, W, channels) to (height, width, channels).

    Bicubic to enlarge; to shrink, bilinear up to twofold and the area's average beyond. Up to
    twofold, bilinear still gives every pixel a weight (at twofold it is the average), it is
    sharper, and OpenCV does it seven times faster.
    """
    rows, columns, channels = image.shape
    if channels > 4:
        # OpenCV averages areas of up to four channels only.
        groups = [image[..., i : i + 4] for i in range(0, channels, 4)]
        return np.concatenate([resize(group, height, width) for group in groups], axis=2)
    # Two passes, because a picture may shrink along one side and grow along the other.
    smaller = min(rows, height), min(columns, width)
    if smaller != (rows, columns):
        twofold = rows <= 2 * smaller[0] and columns <= 2 * smaller[1]
        method = cv2.INTER_LINEAR if twofold else cv2.INTER_AREA
        image = cv2.resize(image, smaller[::-1], interpolation=method)
    if smaller != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(image).reshape(height, width, channels)


def pad_to_square(image: np.ndarray) -> np.ndarray:
    """Put uint8 (H, W, channels) in the middle of a black square of side max(H, W)."""
    height, width = image.shape[:2]
    down, across = max(0, width - height), max(0, height - width)
    top, left = down // 2, across // 2
    return np.pad(image, [(top, down - top), (left, across - left), (0, 0)])


def coarsest(height: float, width: float, size: int) -> int:
    """The coarsest scale 1, 2, 4 or 8 to decode at that still has ``size`` pixels to give.

    Args:
        height: of the part that is used, in full-scale pixels.
        width: likewise.
        size: side of the result in pixels.
    """
    return next((scale for scale in (8, 4, 2) if min(height, width) / scale >= size), 1)
