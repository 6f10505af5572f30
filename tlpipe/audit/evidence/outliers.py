"""Pictures unlike those the model was trained on: the distance to their nearest neighbours.

The mean distance to the k nearest training pictures in the network's own features is as good a sign
of a picture from elsewhere as any that needs no further training (Sun et al. 2022, "Out-of-
distribution detection with deep nearest neighbors").
"""

from __future__ import annotations

import numpy as np

_BLOCK = 1024


def neighbour_distance(
    features: np.ndarray, known: np.ndarray, *, neighbours: int = 5, same: bool = False
) -> np.ndarray:
    """Mean Euclidean distance to the nearest training pictures, float64 (n,), in [0, 2].

    Features are brought to length 1 first, as Sun et al. found to be needed: a picture's length in
    feature space says how much there is of something, not what it is.

    Args:
        features: float (n, d), of the pictures asked about.
        known: float (m, d), of the training pictures.
        neighbours: how many count; fewer where ``known`` has fewer.
        same: ``features`` are ``known``, row by row: a picture is no neighbour of its own.
    """
    a, b = _unit(features), _unit(known)
    count = min(neighbours, len(b) - same)
    if count < 1:
        raise ValueError(f"{len(b)} training pictures: there is no neighbour to measure to")
    found = []
    for start in range(0, len(a), _BLOCK):
        likeness = a[start : start + _BLOCK] @ b.T
        if same:
            rows = np.arange(len(likeness))
            likeness[rows, rows + start] = -np.inf
        nearest = -np.partition(-likeness, count - 1, axis=1)[:, :count]
        found.append(np.sqrt(np.maximum(2 - 2 * nearest, 0)).mean(axis=1))
    return np.concatenate(found)


def robust_z(distances: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """How many robust standard deviations above the usual a distance is, float64 (n,).

    Distances are skewed, so their logarithms are compared: (x - median) / (1.4826 MAD), as Iglewicz
    and Hoaglin (1993) advise, who call above 3.5 an outlier. That is careful: where the usual ones
    differ much among themselves, some strangers stay below, though still above all others.

    Args:
        distances: float (n,), above 0 or 0.
        usual: float (m,), of pictures that are in order but for a few.
    """
    x, y = (np.log(np.maximum(d, 1e-6)) for d in (distances, usual))
    median = np.median(y)
    spread = 1.4826 * np.median(np.abs(y - median))
    # Where most are equal (copies), any small number keeps what differs above what does not.
    return (x - median) / max(float(spread), 1e-3)


def _unit(features: np.ndarray) -> np.ndarray:
    x = np.asarray(features, np.float32).astype(np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
