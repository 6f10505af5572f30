"""Maps from the gradient of the class score to the picture."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tlpipe.explain.network import Explained, Results

Reduce = Literal["max", "mean", "keep"]


def saliency(found: Results, reduce: Reduce = "max") -> np.ndarray:
    """Vanilla gradient saliency: |d score / d picture|, the score before softmax.

    Simonyan, Vedaldi and Zisserman 2013, "Deep Inside Convolutional Networks".

    Args:
        found: of :meth:`Explained.passes`.
        reduce: the largest over the colour channels, their mean, or all of them kept.

    Returns:
        float32 (b, s, s), or (b, s, s, channels) when kept; 0 or more.
    """
    size = np.abs(found.gradients)
    if reduce == "keep":
        return size
    return size.max(-1) if reduce == "max" else size.mean(-1)


def smooth_gradient(
    network: Explained,
    pictures: np.ndarray,
    classes: np.ndarray,
    *,
    samples: int = 16,
    noise: float = 0.1,
    seed: int = 0,
) -> np.ndarray:
    """SmoothGrad: the mean of |gradient| over noisy copies, largest over the channels.

    Smilkov et al. 2017, "SmoothGrad: removing noise by adding noise".

    Args:
        network: what is explained.
        pictures: (b, s, s, channels), values 0..255.
        classes: int (b,), whose score.
        samples: noisy copies of each picture.
        noise: standard deviation, a share of the picture's own range.
        seed: of the noise.

    Returns:
        float32 (b, s, s), 0 or more.
    """
    stream = np.random.default_rng(seed)
    pictures = np.asarray(pictures, "float32")
    spread = noise * np.ptp(pictures, axis=(1, 2, 3), keepdims=True)
    total = np.zeros(pictures.shape, "float32")
    for _ in range(samples):
        noisy = pictures + spread * stream.standard_normal(pictures.shape, "float32")
        total += np.abs(network.passes(noisy, classes).gradients)
    return (total / samples).max(-1)


def integrated_gradients(
    network: Explained, pictures: np.ndarray, classes: np.ndarray, *, steps: int = 32
) -> np.ndarray:
    """Integrated gradients from black, summed over the channels, sign dropped.

    Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks"; the path integral by
    the midpoint rule.

    Args:
        network: what is explained.
        pictures: (b, s, s, channels), values 0..255.
        classes: int (b,), whose score.
        steps: points on the way.

    Returns:
        float32 (b, s, s), 0 or more.
    """
    return np.abs(signed_integrated_gradients(network, pictures, classes, steps=steps).sum(-1))


def signed_integrated_gradients(
    network: Explained, pictures: np.ndarray, classes: np.ndarray, *, steps: int = 32
) -> np.ndarray:
    """As :func:`integrated_gradients`, before summing: float32 (b, s, s, channels).

    Their sum is the score of the picture less that of black, up to the error of the integral: the
    axiom of completeness.
    """
    pictures = np.asarray(pictures, "float32")
    total = np.zeros(pictures.shape, "float32")
    for step in range(steps):
        total += network.passes(pictures * ((step + 0.5) / steps), classes).gradients
    return total * pictures / steps
