"""The passes under JAX: its vector-Jacobian products have no counterpart in ``keras.ops``."""

from __future__ import annotations

from collections.abc import Callable

import jax
import keras
import numpy as np

_SIZES = (1, 8, 32)


def compiled(prefix: keras.Model, suffix: keras.Model, upstream: Callable) -> dict[str, Callable]:
    """``maps``, ``logits``, ``features`` and ``pixels``; see ``tlpipe.explain.gradients``."""

    def values(model):
        return (
            [v.value for v in model.trainable_variables],
            [v.value for v in model.non_trainable_variables],
        )

    def call(model, weights, x):
        return model.stateless_call(*weights, x, training=False)[0]

    # The weights are arguments: as constants of the compiled function they would be held twice.
    first, second = values(prefix), values(suffix)

    @jax.jit
    def maps(first, pictures):
        return call(prefix, first, pictures)

    @jax.jit
    def logits(first, second, pictures):
        return call(suffix, second, call(prefix, first, pictures))

    def run(first, second, pictures, classes, against, *, to_pixels):
        found, back_to_pictures = jax.vjp(lambda x: call(prefix, first, x), pictures)
        scores, back_to_maps = jax.vjp(lambda x: call(suffix, second, x), found)
        (seed,) = back_to_maps(upstream(scores, classes, against))
        return found, scores, seed, *(back_to_pictures(seed) if to_pixels else ())

    run = jax.jit(run, static_argnames="to_pixels")
    return {
        "maps": _padded(lambda x: maps(first, x)),
        "logits": _padded(lambda x: logits(first, second, x)),
        "features": _padded(lambda *arrays: run(first, second, *arrays, to_pixels=False)),
        "pixels": _padded(lambda *arrays: run(first, second, *arrays, to_pixels=True)),
    }


def _padded(function: Callable) -> Callable:
    """``function`` with few shapes to compile: batches are filled up, and cut again."""

    def call(*arrays):
        n = len(arrays[0])
        size = next((size for size in _SIZES if size >= n), n)
        filled = [np.concatenate([a, np.zeros((size - n, *a.shape[1:]), a.dtype)]) for a in arrays]
        return jax.tree.map(lambda part: part[:n], function(*filled))

    return call
