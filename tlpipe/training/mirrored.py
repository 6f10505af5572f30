"""Several devices under TensorFlow: a replica of the model on each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache

import keras
import numpy as np
import tensorflow as tf

from tlpipe.training.devices import SeveralDevices


class MirroredDevices(SeveralDevices):
    """``MirroredStrategy``, fed with batches that are divided already.

    Given an ordinary array, Keras would have every replica compute the whole batch.
    """

    def __init__(self, names: Sequence[str]):
        super().__init__(names)
        self._strategy = _strategy(self.names)

    def scope(self) -> AbstractContextManager:
        """Variables made inside it have a copy on every device."""
        return self._strategy.scope()

    def _train(self, model: keras.Model, *batch: np.ndarray) -> float:
        # What `train_on_batch` does, which wants to know the shape of what is divided already.
        model.make_train_function()
        model.reset_metrics()
        logs = model.train_function(iter([tuple(map(self._divided, batch))]))
        return float(logs["loss"])

    def _predict(self, model: keras.Model, values: np.ndarray):
        return model.predict_on_batch(self._divided(values))

    def clipped(self, clip: Callable[[list], list], gradients: list) -> list:
        """Adds up before it clips: Keras would bound each replica's share on its own."""
        context = tf.distribute.get_replica_context()
        whole = context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
        # Keras adds the replicas' gradients up afterwards.
        return [gradient / len(self.names) for gradient in clip(whole)]

    def _divided(self, array: np.ndarray):
        parts = np.split(array, len(self.names))
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )


@cache
def _strategy(names: tuple[str, ...]) -> tf.distribute.Strategy:
    # One a process: a second one numbers its sums over the devices as the first did, and
    # TensorFlow then takes two different sums for one.
    return tf.distribute.MirroredStrategy([f"/{name}" for name in names])
