"""Whether an attribution may be believed: three tests that each can fail."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import keras
import numpy as np
from scipy.stats import rankdata

from tlpipe.backbones.flatten import flatten
from tlpipe.explain.cam import enlarged
from tlpipe.explain.network import Explained
from tlpipe.metrics.scores import softmax

# Cells along a side by which pixels are hidden and shown: the coarsest map has about as many.
_CELLS = 14
_SIDE = 32


def randomised(model: keras.Model, seed: int) -> keras.Model:
    """A copy of ``model`` whose kernels are all shuffled: it has learned nothing.

    Shuffling keeps the size of the weights, so that activations neither vanish nor explode.
    """
    copy = flatten(model)
    stream = np.random.default_rng(seed)
    for variable in copy.weights:
        if len(variable.shape) > 1:
            values = keras.ops.convert_to_numpy(variable)
            variable.assign(stream.permutation(values.ravel()).reshape(values.shape))
    return copy


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each map with its other, float (n,); 0 where one is flat.

    Args:
        a, b: float (n, h, w). Both are made 32 x 32 first, so that it is places that are compared
            and not grain.
    """
    found = []
    for one, other in zip(a, b, strict=True):
        ranks = [
            rankdata(
                cv2.resize(np.asarray(m, "float32"), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
            )
            for m in (one, other)
        ]
        flat = any(np.ptp(r) == 0 for r in ranks)
        found.append(0.0 if flat else float(np.corrcoef(*ranks)[0, 1]))
    return np.array(found)


def curve(
    network: Explained,
    pictures: np.ndarray,
    classes: np.ndarray,
    attribution: np.ndarray,
    *,
    steps: int,
    insert: bool,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Class probability while cells are hidden (deletion) or shown (insertion), hottest first.

    Petsiuk, Das and Saenko 2018, "RISE", section 4.3: deletion goes to a gray picture, insertion
    starts from a blurred one. Cells of 1/14 of the side, not single pixels, which would test the
    network with speckle that it has never seen.

    Args:
        network: what is explained.
        pictures: uint8 (n, s, s, channels).
        classes: int (n,), whose probability.
        attribution: float (n, s, s); ties and cells alike go from the top left.
        steps: of the curve, besides its start.
        insert: show instead of hide.
        progress: takes the number of pictures done.

    Returns:
        float64 (n, steps + 1), in 0..1.
    """
    rows = []
    for number, (picture, wanted, heat) in enumerate(
        zip(np.asarray(pictures, "float32"), classes, attribution, strict=True), 1
    ):
        small = cv2.resize(
            np.asarray(heat, "float32"), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA
        )
        rank = np.empty(_CELLS * _CELLS)
        rank[np.argsort(-small.ravel(), kind="stable")] = np.arange(_CELLS * _CELLS)
        rank = rank.reshape(1, _CELLS, _CELLS).astype("float32")
        grid = np.repeat(
            np.repeat(rank[0], -(-network.size[0] // _CELLS), 0), -(-network.size[1] // _CELLS), 1
        )
        grid = grid[: network.size[0], : network.size[1], None]
        if insert:
            start, end = _blurred(picture), picture
        else:
            start, end = picture, np.broadcast_to(picture.mean((0, 1)), picture.shape)
        frames = np.stack(
            [np.where(grid < n, end, start) for n in np.linspace(0, _CELLS**2, steps + 1)]
        )
        rows.append(softmax(network.logits(frames))[:, wanted])
        if progress:
            progress(number)
    return np.stack(rows)


def _blurred(picture: np.ndarray) -> np.ndarray:
    blurred = cv2.GaussianBlur(picture, (0, 0), sigmaX=picture.shape[0] / 20)
    return blurred.reshape(picture.shape)


def random_order(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Attributions that mean nothing, float32 (n, s, s): the baseline of the curves."""
    noise = np.random.default_rng(seed).random((shape[0], _CELLS, _CELLS), "float32")
    return enlarged(noise, (shape[1], shape[2]))
