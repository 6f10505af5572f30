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

    def features(pictures, classes, against):
        maps = prefix(pictures, training=False)
        return maps, *backward_through_suffix(maps, classes, against)

    def pixels(pictures, classes, against):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pictures)
            maps = prefix(pictures, training=False)
        logits, seed = backward_through_suffix(maps, classes, against)
        return maps, logits, seed, tape.gradient(maps, pictures, output_gradients=seed)

    picture = tf.TensorSpec((None, *prefix.inputs[0].shape[1:]), tf.float32)
    classes = tf.TensorSpec((None,), tf.int32)

    def compile_(function, *signature):
        # One trace for any number of pictures. XLA on a CPU is slow on depthwise convolutions.
        traced = tf.function(function, input_signature=signature, jit_compile=False)
        return lambda *arrays: traced(*map(tf.convert_to_tensor, arrays))

    return {
        "maps": compile_(lambda x: prefix(x, training=False), picture),
        "logits": compile_(lambda x: suffix(prefix(x, training=False), training=False), picture),
        "features": compile_(features, picture, classes, classes),
        "pixels": compile_(pixels, picture, classes, classes),
    }
