"""An attribution laid over its picture."""

from __future__ import annotations

import matplotlib
import numpy as np

# Brighter means more; it survives gray printing and the common kinds of colour blindness.
_COLOURS = "inferno"
_OPACITY = 0.6


def scaled(attribution: np.ndarray, percentile: float = 99.5) -> np.ndarray:
    """Maps, float (..., h, w), each as 0..1; a few outliers above ``percentile`` are cut off."""
    high = np.percentile(attribution, percentile, axis=(-2, -1), keepdims=True)
    # A map that is nothing but a few points would be all dark.
    high = np.where(high > 0, high, attribution.max(axis=(-2, -1), keepdims=True))
    out = np.zeros(np.shape(attribution), "float32")
    return np.clip(np.divide(attribution, high, out=out, where=high > 0), 0, 1)


def overlay(picture: np.ndarray, attribution: np.ndarray) -> np.ndarray:
    """The picture in gray with the attribution in colour upon it.

    Args:
        picture: uint8 (s, s, channels).
        attribution: float (s, s), 0 or more.

    Returns:
        uint8 (s, s, 3).
    """
    gray = np.asarray(picture, "float32").mean(-1, keepdims=True)
    heat = scaled(np.asarray(attribution))
    colours = matplotlib.colormaps[_COLOURS](heat)[..., :3] * 255
    weight = _OPACITY * np.sqrt(heat)[..., None]
    return np.clip(gray * (1 - weight) + colours * weight, 0, 255).astype("uint8")
