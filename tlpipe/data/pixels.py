"""What a picture's channels are: RGB, gray, or an array of any number of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from tlpipe.data.decode import MAX_PIXELS, DecodeError, Inspection, decode, inspect, upper_byte
from tlpipe.words import counted

_NUMPY = b"\x93NUMPY"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Pixels:
    """How the bytes of a file become uint8 (H, W, channels).

    With 3 channels every picture is RGB, with 1 gray. With any other number the files are arrays:
    ``.npy`` of shape (H, W, channels), or a TIFF with a page or a sample for each channel. Samples
    of 8 bits between 0 and 255 are taken as they are; ``low`` to ``high`` says what else becomes
    0 to 255, linearly and cut off at the ends. Of pictures of 16 bits it is all 16 unless they are
    said.

    Attributes:
        channels: 1 or more.
        low: the sample that becomes 0.
        high: the sample that becomes 255.
    """

    channels: int = 3
    low: float = 0.0
    high: float = 255.0

    def decode(self, data: bytes, reduce: int = 1) -> np.ndarray:
        """A picture file as uint8 (H, W, channels); ``reduce`` as for ``decode.decode``.

        Raises:
            DecodeError: damaged, no picture, or of another number of channels.
        """
        if _is_array(data, self.channels):
            return self._array(data)
        return self._gray_or_rgb(decode(data, reduce, self._deep))

    def inspect(self, data: bytes) -> Inspection:
        """As ``decode``, but strict: damage is an error. Raises DecodeError."""
        if _is_array(data, self.channels):
            pixels = self._array(data)
            return Inspection(pixels.shape[1], pixels.shape[0], pixels)
        width, height, pixels = inspect(data, self._deep)
        return Inspection(width, height, self._gray_or_rgb(pixels))

    @property
    def _deep(self) -> Callable[[np.ndarray], np.ndarray]:
        return upper_byte if (self.low, self.high) == (0, 255) else self._to_uint8

    def _gray_or_rgb(self, pixels: np.ndarray) -> np.ndarray:
        if self.channels == 3:
            return pixels
        if self.channels == 1:
            return gray(pixels)[..., None]
        raise DecodeError(f"an RGB picture, and {self.channels} channels are asked for")

    def _array(self, data: bytes) -> np.ndarray:
        array = _numpy_array(data) if data.startswith(_NUMPY) else _tiff_pages(data)
        if array.ndim == 2:
            array = array[..., None]
        if array.ndim != 3 or not array.size:
            raise DecodeError(f"an array of shape {array.shape}, not (height, width, channels)")
        if array.shape[2] != self.channels:
            asked = "1 is" if self.channels == 1 else f"{self.channels} are"
            raise DecodeError(
                f"{counted(array.shape[2], 'channel')}, and {asked} asked for "
                f"(--set scan.channels={array.shape[2]})"
            )
        return self._to_uint8(array)

    def _to_uint8(self, array: np.ndarray) -> np.ndarray:
        if array.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return np.ascontiguousarray(array)
        if array.dtype.kind not in "buif":
            raise DecodeError(f"samples of the kind {array.dtype}")
        if array.dtype != np.uint8 and (self.low, self.high) == (0, 255):
            raise DecodeError(
                f"samples of the kind {array.dtype}: say which become 0 and 255 "
                "(--set scan.low=0 --set scan.high=10000, for instance)"
            )
        if not np.isfinite(array).all():
            raise DecodeError("some samples are not finite numbers")
        scaled = (array.astype(np.float32) - self.low) * (255 / (self.high - self.low))
        return np.rint(scaled.clip(0, 255)).astype(np.uint8)


RGB = Pixels()


def gray(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, channels) as uint8 (H, W): luminance of RGB, else the channels' mean."""
    if pixels.shape[2] == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return np.rint(pixels.mean(axis=2)).astype(np.uint8)


def _is_array(data: bytes, channels: int) -> bool:
    # A TIFF of one or three channels is a picture like any other.
    return data.startswith(_NUMPY) or (channels not in (1, 3) and data.startswith(_TIFF))


def _numpy_array(data: bytes) -> np.ndarray:
    try:
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # a damaged header can make the parser raise anything
        raise DecodeError(f"damaged or unsupported .npy: {error}") from error
    if array.ndim >= 2 and array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise DecodeError(f"too large: the limit is {MAX_PIXELS // 10**6} million pixels")
    return array


def _tiff_pages(data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            pages = []
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                if image.width * image.height > MAX_PIXELS:
                    raise DecodeError(f"too large: the limit is {MAX_PIXELS // 10**6} million")
                page = np.array(image)
                pages.append(page[..., None] if page.ndim == 2 else page)
        return np.concatenate(pages, axis=2)
    except DecodeError:
        raise
    except Exception as error:  # a damaged file can make a codec raise anything
        raise DecodeError(f"truncated, corrupt or unsupported TIFF: {error}") from error


def as_rgb(pictures: np.ndarray) -> np.ndarray:
    """Something to look at: the first three channels, or the first one three times.

    Args:
        pictures: (..., h, w, channels).
    """
    return pictures[..., :3] if pictures.shape[-1] >= 3 else pictures[..., [0, 0, 0]]
