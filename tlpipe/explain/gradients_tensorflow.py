"""The passes under TensorFlow: the tape and the compiler have no counterpart in ``keras.ops``."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf


def compiled(prefix: keras.Model, suffix: keras.Model, upstream: Callable) -> dict[str, Callable]:
    """``maps``, ``logits``, ``features`` and ``pixels``; see ``tlpipe.explain.gradients``."""

    def backward_through_suffix(maps, classes, against):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(maps)
            logits = suffix(maps, training=False)
        seed = upstream(logits, classes, against)
        return logits, tape.gradient(logits, maps, output_gradients=seed)

    @tf.function(jit_compile=False)
    def features(pictures, classes, against):
        maps = prefix(pictures, training=False)
        return maps, *backward_through_suffix(maps, classes, against)

    @tf.function(jit_compile=False)
    def pixels(pictures, classes, against):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pictures)
            maps = prefix(pictures, training=False)
        logits, seed = backward_through_suffix(maps, classes, against)
        return maps, logits, seed, tape.gradient(maps, pictures, output_gradients=seed)

    def in_tensors(function):
        return lambda *arrays: function(*map(tf.convert_to_tensor, arrays))

    forward = tf.function(lambda x: prefix(x, training=False), jit_compile=False)
    logits = tf.function(
        lambda x: suffix(prefix(x, training=False), training=False), jit_compile=False
    )
    named = {"maps": forward, "logits": logits, "features": features, "pixels": pixels}
    return {name: in_tensors(function) for name, function in named.items()}
