"""Pooling by a norm over the places of a feature map: generalised mean and L2."""

from __future__ import annotations

import keras
from keras import ops

_PLACES = (1, 2)


@keras.saving.register_keras_serializable(package="tlpipe")
class GeMPooling(keras.layers.Layer):
    """Generalised-mean pooling (Radenovic, Tolias & Chum 2018, equation 3): mean(x^p)^(1/p).

    (b, h, w, c) to (b, c). Exponent 1 is the average (of what is positive), infinity the maximum.
    The exponent is trained and never taken below 1.

    Args:
        exponent: p at the start, 1 or more; the paper's is 3.
        per_channel: an exponent for every channel instead of one for all.
        epsilon: activations below it count as it, since the power wants them positive.
    """

    def __init__(
        self,
        exponent: float = 3.0,
        per_channel: bool = False,
        epsilon: float = 1e-6,
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.exponent, self.per_channel, self.epsilon = exponent, per_channel, epsilon

    def build(self, input_shape):
        """Makes the exponent."""
        self.p = self.add_weight(
            name="exponent",
            shape=(input_shape[-1],) if self.per_channel else (),
            initializer=keras.initializers.Constant(self.exponent),
        )

    def call(self, x):
        """(b, h, w, c) to (b, c)."""
        p = ops.maximum(self.p, 1.0)
        # In logarithms and relative to the largest, lest a high power overflow or vanish.
        powers = p * ops.log(ops.maximum(x, self.epsilon))
        largest = ops.stop_gradient(ops.max(powers, axis=_PLACES, keepdims=True))
        mean = ops.mean(ops.exp(powers - largest), axis=_PLACES, keepdims=True)
        return ops.squeeze(ops.exp((ops.log(mean) + largest) / p), axis=_PLACES)

    def get_config(self):
        """The arguments."""
        own = {key: getattr(self, key) for key in ("exponent", "per_channel", "epsilon")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="tlpipe")
class L2Pooling(keras.layers.Layer):
    """Root of the mean square over the places: (b, h, w, c) to (b, c).

    On activations that are not negative this is the generalised mean with exponent 2.
    """

    def __init__(self, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)

    def call(self, x):
        """(b, h, w, c) to (b, c)."""
        # The root has no slope at 0, where a channel that never fires is.
        return ops.sqrt(ops.maximum(ops.mean(ops.square(x), axis=_PLACES), 1e-12))
