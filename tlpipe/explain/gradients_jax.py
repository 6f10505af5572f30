"""The passes under JAX: its vector-Jacobian products have no counterpart in ``keras.ops``."""

from __future__ import annotations

from collections.abc import Callable

import jax
import keras


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
        "maps": lambda x: maps(first, x),
        "logits": lambda x: logits(first, second, x),
        "features": lambda *arrays: run(first, second, *arrays, to_pixels=False),
        "pixels": lambda *arrays: run(first, second, *arrays, to_pixels=True),
    }
