"""Pieces of two real photographs, as many as are wanted."""

import numpy as np
from sklearn.datasets import load_sample_images


def crops(count: int, size: int, random: np.random.Generator | None = None) -> np.ndarray:
    """uint8 (count, size, size, 3): from the two photographs in turn, at random places."""
    photos = load_sample_images().images
    random = np.random.default_rng(0) if random is None else random
    found = []
    for i in range(count):
        photo = photos[i % 2]
        top = random.integers(0, photo.shape[0] - size)
        left = random.integers(0, photo.shape[1] - size)
        found.append(photo[top : top + size, left : left + size])
    return np.stack(found)
