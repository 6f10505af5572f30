"""Maps from the gradient of the class score to the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tlpipe.explain.network import BATCH, Explained, Results


def saliency(found: Results) -> np.ndarray:
    """Vanilla gradient saliency: |d score / d picture|, largest over the channels.

    Simonyan, Vedaldi and Zisserman 2013, "Deep Inside Convolutional Networks".

    Args:
        found: of :meth:`Explained.passes`; the score is that before softmax.

    Returns:
        float32 (b, s, s), 0 or more.
    """
    return np.abs(found.gradients).max(-1)


def smooth_gradient(
    network: Explained,
    pictures: np.ndarray,
    classes: np.ndarray,
    *,
    samples: int = 32,
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
    found = []
    for picture, wanted in zip(np.asarray(pictures, "float32"), classes, strict=True):
        spread = noise * np.ptp(picture)
        noisy = spread * stream.standard_normal((samples, *picture.shape), "float32")
        found.append(_mean(network, picture + noisy, wanted, np.abs).max(-1))
    return np.stack(found)


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
    way = ((np.arange(steps, dtype="float32") + 0.5) / steps)[:, None, None, None]
    return np.stack(
        [
            picture * _mean(network, picture * way, wanted)
            for picture, wanted in zip(np.asarray(pictures, "float32"), classes, strict=True)
        ]
    )


def _mean(
    network: Explained,
    variants: np.ndarray,
    wanted: int,
    of: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> np.ndarray:
    """The mean gradient over variants of one picture, float32 (s, s, channels)."""
    total = np.zeros(variants.shape[1:], "float32")
    for start in range(0, len(variants), BATCH):
        chunk = variants[start : start + BATCH]
        total += of(network.passes(chunk, np.full(len(chunk), wanted)).gradients).sum(0)
    return total / len(variants)
