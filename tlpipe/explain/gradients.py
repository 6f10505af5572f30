"""One forward and one backward pass, compiled, on whichever backend runs."""

from __future__ import annotations

from importlib import import_module

import keras
import numpy as np
from keras import ops


class Passes:
    """The compiled passes of a network in two halves.

    Args:
        prefix: picture to the last feature map.
        suffix: feature map to logits.
    """

    def __init__(self, prefix: keras.Model, suffix: keras.Model):
        backend = import_module(f"tlpipe.explain.gradients_{keras.backend.backend()}")
        self._functions = backend.compiled(prefix, suffix, _upstream)

    def maps(self, pictures: np.ndarray) -> np.ndarray:
        """float32 (b, h, w, c)."""
        return np.asarray(self._functions["maps"](pictures))

    def logits(self, pictures: np.ndarray) -> np.ndarray:
        """float32 (b, k)."""
        return np.asarray(self._functions["logits"](pictures))

    def run(
        self, pictures: np.ndarray, classes: np.ndarray, against: np.ndarray, *, pixels: bool
    ) -> tuple[np.ndarray, ...]:
        """Maps, logits, the gradient to the maps and, with ``pixels``, to the pictures.

        Args:
            pictures: float32 (b, s, s, channels).
            classes: int32 (b,), -1 for the most probable class.
            against: int32 (b,), -1 for none.
            pixels: whether to go back to the pictures.
        """
        function = self._functions["pixels" if pixels else "features"]
        return tuple(np.asarray(part) for part in function(pictures, classes, against))


def _upstream(logits, classes, against):
    """d score / d logits, float32 (b, k): the score is one logit, or one less another."""
    k = logits.shape[-1]
    wanted = ops.where(classes < 0, ops.cast(ops.argmax(logits, axis=-1), "int32"), classes)
    # The one-hot of -1 is all zeros.
    return ops.one_hot(wanted, k, dtype="float32") - ops.one_hot(against, k, dtype="float32")
