"""Under TensorFlow: a training step that is traced once, for batches of every size.

Keras traces it for the size of the first batch, and again when the last batch of the epoch is
smaller: a second or two for each, and nothing is won by it.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import tensorflow as tf


def trace_once(model: keras.Model) -> None:
    """Gives the compiled ``model``, on one device, a training function for any size of batch."""
    step = None

    def train(batches: Iterator[tuple]) -> dict:
        nonlocal step
        batch = tuple(array for array in next(batches) if array is not None)
        if step is None:
            spec = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in batch)
            step = tf.function(
                model.train_step,
                input_signature=[spec],
                jit_compile=model.jit_compile,
                autograph=False,
            )
        return step(batch)

    model.train_function = train
