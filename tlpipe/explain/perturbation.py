"""Maps from what the score does when parts of the picture are hidden."""

from __future__ import annotations

import cv2
import numpy as np

from tlpipe.explain.cam import enlarged
from tlpipe.explain.network import Explained
from tlpipe.metrics.scores import softmax


def score_cam(
    network: Explained, pictures: np.ndarray, classes: np.ndarray, *, channels: int = 64
) -> np.ndarray:
    """Score-CAM: feature maps weighed by what the picture scores seen through each of them.

    Wang et al. 2020, "Score-CAM". The score is the class probability, softmax taken once; a picture
    at a time, so that memory does not grow with the number of pictures.

    Args:
        network: what is explained.
        pictures: (b, s, s, channels), values 0..255.
        classes: int (b,), whose score.
        channels: the most varied of the map's channels are tried; the paper tries all.

    Returns:
        float32 (b, s, s), 0 or more.
    """
    found = []
    for picture, maps, wanted in zip(
        np.asarray(pictures, "float32"), network.maps(pictures), classes, strict=True
    ):
        best = np.argsort(-maps.std((0, 1)), kind="stable")[:channels]
        masks = enlarged(maps[..., best].transpose(2, 0, 1), network.size)
        low, high = masks.min((1, 2), keepdims=True), masks.max((1, 2), keepdims=True)
        spread = high - low
        masks = np.divide(masks - low, spread, out=np.zeros_like(masks), where=spread > 0)
        scores = softmax(network.logits(picture * masks[..., None]))[:, wanted]
        weights = softmax(scores[None])[0].astype("float32")
        found.append(np.maximum(np.einsum("nhw,n->hw", masks, weights), 0))
    return np.stack(found)


def occlusion(
    network: Explained,
    pictures: np.ndarray,
    classes: np.ndarray,
    *,
    window: float = 0.2,
    steps: int = 8,
) -> np.ndarray:
    """Occlusion: how far the class score falls when a gray square hides a place.

    Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2.

    Args:
        network: what is explained.
        pictures: (b, s, s, channels), values 0..255.
        classes: int (b,), whose score, before softmax.
        window: side of the square, a share of the picture's.
        steps: places along each side.

    Returns:
        float32 (b, s, s); 0 where hiding does not lower the score.
    """
    height, width = network.size
    tall, wide = max(1, round(window * height)), max(1, round(window * width))
    tops = np.linspace(0, height - tall, steps).round().astype(int)
    lefts = np.linspace(0, width - wide, steps).round().astype(int)
    found = []
    for picture, wanted in zip(np.asarray(pictures, "float32"), classes, strict=True):
        hidden = np.repeat(picture[None], steps * steps + 1, axis=0)
        places = [(top, left) for top in tops for left in lefts]
        for copy, (top, left) in zip(hidden, places, strict=False):
            copy[top : top + tall, left : left + wide] = picture.mean((0, 1))
        scores = network.logits(hidden)[:, wanted]
        drop = np.maximum(scores[-1] - scores[:-1], 0).reshape(steps, steps).astype("float32")
        found.append(cv2.resize(drop, (width, height), interpolation=cv2.INTER_LINEAR))
    return np.stack(found)
