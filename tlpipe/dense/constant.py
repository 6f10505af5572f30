"""A network that predicts and will not train again: its weights as constants of the graph."""

from __future__ import annotations

from math import prod

import keras
from keras import ops

# Larger ones stay variables: the 100 million of VGG16's first dense layer take a compiler half a
# minute and 8 GB.
_MOST = 4_000_000


def constant(model: keras.Model) -> keras.Model:
    """``model`` for ``predict_on_batch``, with the weights that it has now; equal but for rounding.

    TensorFlow brings a convolution's kernel into the layout of its own at every call when it is a
    variable, and once when it is a constant. For one picture at a time that is a quarter of VGG16's
    work; the price is a second more for the first picture. JAX has no such step, and there the
    model is returned as it is.

    Args:
        model: built, with one input.
    """
    return _Constant(model) if keras.backend.backend() == "tensorflow" else model


class _Constant(keras.Model):
    def __init__(self, model: keras.Model):
        super().__init__(name=model.name)
        weights = [
            [v.value if prod(v.shape) > _MOST else ops.convert_to_numpy(v) for v in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables)
        ]
        # A function's closure is where Keras does not look for weights.
        self._scores = lambda x: model.stateless_call(*weights, x, training=False)[0]

    def call(self, x):
        """What the model says."""
        return self._scores(x)
