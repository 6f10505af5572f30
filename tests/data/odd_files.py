"""Makers of odd files, from one real photograph; no file is kept in the repository."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data as skimage_data


def cat() -> np.ndarray:
    """uint8 (300, 451, 3) RGB."""
    return skimage_data.chelsea()


def encoded(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    """A picture file made by Pillow."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.info.clear()
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises this size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def overwritten(data: bytes, start: float, length: int, *, seed: int | None = None) -> bytes:
    """Bytes from ``start`` (a share of the file) on are zeroed, or random when seeded."""
    at = int(len(data) * start)
    if seed is None:
        new = bytes(length)
    else:
        new = np.random.default_rng(seed).integers(0, 256, length, dtype=np.uint8).tobytes()
    return data[:at] + new + data[at + length :]


@cache
def bad_files() -> dict[str, tuple[bytes, str]]:
    """Name to (bytes, words that the cause must hold): twelve kinds of bad file."""
    jpeg = encoded(cat(), "JPEG", quality=90)
    png = encoded(cat(), "PNG")
    return {
        "empty.jpg": (b"", "empty file"),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated JPEG"),
        "last_bytes_missing.jpg": (jpeg[:-2], "truncated JPEG"),
        "zeroed.jpg": (overwritten(jpeg, 0.5, 4096), "corrupt JPEG"),
        "garbled.jpg": (overwritten(jpeg, 0.5, 512, seed=1), "JPEG"),
        "truncated.png": (png[: len(png) // 2], "truncated PNG"),
        "flipped.png": (overwritten(png, 0.5, 8), "corrupt PNG"),
        "half.gif": (encoded(cat(), "GIF")[:20_000], "truncated GIF"),
        "half.webp": (encoded(cat(), "WEBP")[:5_000], "truncated WEBP"),
        "page.jpg": (b"<html><body>404 Not Found</body></html>", "begins with '<html><body>404"),
        "notes.png": ("der Hund, die Katze, Größe".encode(), "begins with 'der Hund"),
        "bomb.png": (png_header(30_000, 30_000), "too large: 900 million pixels"),
    }


COPIES = ("q50.jpg", "half.png", "converted.webp", "cropped.png", "brighter.png")


def copy_of(image: np.ndarray, kind: str) -> bytes:
    """The same picture in other clothes; ``kind`` is one of COPIES."""
    height, width = image.shape[:2]
    if kind == "q50.jpg":
        return encoded(image, "JPEG", quality=50)
    if kind == "converted.webp":
        return encoded(image, "WEBP", quality=80)
    if kind == "half.png":
        half = (width // 2, height // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    elif kind == "cropped.png":
        y, x = round(height * 0.025), round(width * 0.025)
        image = image[y : height - y, x : width - x].copy()
    elif kind == "brighter.png":
        image = cv2.convertScaleAbs(image, alpha=1.0, beta=12)
    return encoded(image, "PNG")


def tiles(side: int, count: int, *, seed: int = 0) -> list[np.ndarray]:
    """Different pieces of real photographs that do not overlap: uint8 (side, side, 3)."""
    names = (
        "coffee",
        "chelsea",
        "astronaut",
        "rocket",
        "retina",
        "hubble_deep_field",
        "immunohistochemistry",
    )
    found = []
    for name in names:
        image = getattr(skimage_data, name)()[..., :3]
        for top in range(0, image.shape[0] - side + 1, side):
            for left in range(0, image.shape[1] - side + 1, side):
                tile = image[top : top + side, left : left + side]
                if tile.std() > 12:
                    found.append(tile.copy())
    order = np.random.default_rng(seed).permutation(len(found))
    assert len(found) >= count, f"only {len(found)} tiles"
    return [found[i] for i in order[:count]]


def put(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
