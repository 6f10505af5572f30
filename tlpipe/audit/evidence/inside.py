"""How much of an attribution lies in the object, and whether its hottest point does."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.stats import binomtest

from tlpipe.metrics.bootstrap import counts

_RESAMPLES = 1000
_TAILS = (2.5, 97.5)


def reach(masks: np.ndarray, tolerance: float) -> np.ndarray:
    """The objects with what lies no further than ``tolerance`` pixels beside them, bool (n, s, s).

    Args:
        masks: bool (n, s, s), none of them empty.
        tolerance: 0 or more.
    """
    found = np.empty(masks.shape, bool)
    for mask, near in zip(masks, found, strict=True):
        outside = (~mask).astype(np.uint8)
        near[:] = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= tolerance
    return found


def pointing(maps: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The pointing game: whether the hottest point of each map is a hit, bool (n,).

    Zhang et al. 2016, "Top-down Neural Attention by Excitation Backprop", section 4. Of several
    equally hot points half must be hits; a map that is dark all over has none.

    Args:
        maps: float (n, s, s).
        near: bool (n, s, s): where a point is a hit, see ``reach``.
    """
    high = maps.max(axis=(1, 2), keepdims=True)
    hottest = maps == high
    share = (hottest & near).sum(axis=(1, 2)) / hottest.sum(axis=(1, 2))
    return (share >= 0.5) & (high[:, 0, 0] > 0)


def energy(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The share of each map's attribution that lies in the object, float64 (n,); 0 for a dark map.

    The energy-based pointing game: Wang et al. 2020, "Score-CAM", section 4.3. What is negative
    counts as nothing.

    Args:
        maps: float (n, s, s).
        masks: bool (n, s, s).
    """
    positive = np.maximum(maps, 0)
    whole = positive.sum(axis=(1, 2), dtype="float64")
    inside = np.where(masks, positive, 0).sum(axis=(1, 2), dtype="float64")
    return np.divide(inside, whole, out=np.zeros_like(whole), where=whole > 0)


def share_interval(hits: np.ndarray) -> tuple[float, float]:
    """Wilson's 95 % interval of the share of hits, bool (n,), n at least 1."""
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def ratio_interval(part: np.ndarray, whole: np.ndarray, seed: int) -> tuple[float, float]:
    """The 95 % bootstrap interval, over pictures, of the sum of ``part`` over that of ``whole``.

    Args:
        part, whole: float (n,), n at least 1; ``whole`` above 0. Ones make it that of a mean.
        seed: of the resamples.
    """
    ratios = [(part @ drawn) / (whole @ drawn) for drawn in counts(len(part), _RESAMPLES, seed)]
    low, high = np.percentile(np.concatenate(ratios), _TAILS)
    return float(low), float(high)
