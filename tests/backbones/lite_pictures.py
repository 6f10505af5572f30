"""Real photographs from the wheels of scikit-image and scikit-learn, as the reference saw them."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from PIL import Image

_PHOTOGRAPHS = (
    "skimage/data/astronaut.png",
    "skimage/data/chelsea.png",
    "skimage/data/coffee.png",
    "skimage/data/motorcycle_left.png",
    "skimage/data/rocket.jpg",
    "skimage/data/hubble_deep_field.jpg",
    "skimage/data/camera.png",
    "skimage/data/grass.png",
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
)


def photographs(size: int) -> dict[str, np.ndarray]:
    """name -> uint8 RGB (size, size, 3): the middle square, by its nearest pixels.

    No library's resize is used: their last bits change between versions.
    """
    return {path.rpartition("/")[2]: _read(path, size) for path in _PHOTOGRAPHS}


def _read(path: str, size: int) -> np.ndarray:
    package, _, rest = path.partition("/")
    with files(package).joinpath(rest).open("rb") as file:
        pixels = np.asarray(Image.open(file).convert("RGB"))
    side = min(pixels.shape[:2])
    top, left = ((n - side) // 2 for n in pixels.shape[:2])
    nearest = np.arange(size) * side // size
    return np.ascontiguousarray(pixels[top + nearest][:, left + nearest])
