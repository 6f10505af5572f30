"""What several classic networks are made of and Keras does not have."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tlpipe")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each channel by the energy of the channels next to it.

    b_i = a_i / (k + alpha * sum of a_j ** 2 over the n channels around i) ** beta: Krizhevsky,
    Sutskever and Hinton 2012, section 3.3, with their constants. alpha is not divided by n, as
    Caffe and PyTorch do. (b, h, w, c) to the same; any float dtype.

    Args:
        n: how many channels take part, odd; at the edges fewer.
        k, alpha, beta: the constants of the formula.
    """

    def __init__(
        self, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **options
    ):
        super().__init__(**options)
        self.n, self.k, self.alpha, self.beta = n, k, alpha, beta

    def call(self, x):
        """(b, h, w, c) to the same."""
        half, channels = self.n // 2, x.shape[-1]
        # In half precision alpha * x ** 2 is lost beside k, and large x overflow.
        wide = ops.cast(x, "float32")
        energy = ops.pad(ops.square(wide), ((0, 0), (0, 0), (0, 0), (half, half)))
        near = sum(energy[..., i : i + channels] for i in range(self.n))
        return ops.cast(wide * ops.power(self.k + self.alpha * near, -self.beta), x.dtype)

    def compute_output_shape(self, input_shape):
        """The input's."""
        return input_shape

    def get_config(self):
        """The constants."""
        own = {"n": self.n, "k": self.k, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="tlpipe")
class ChannelShuffle(keras.layers.Layer):
    """Deals the channels out, one of each group in turn (Zhang et al. 2018, section 3.1).

    (b, h, w, groups * n) to the same: channel n * g + i goes to groups * i + g.

    Args:
        groups: how many groups of adjoining channels there are.
    """

    def __init__(self, groups: int, **options):
        super().__init__(**options)
        self.groups = groups

    def call(self, x):
        """(b, h, w, c) to the same."""
        *place, channels = ops.shape(x)
        x = ops.reshape(x, (*place, self.groups, channels // self.groups))
        return ops.reshape(ops.swapaxes(x, 3, 4), (*place, channels))

    def compute_output_shape(self, input_shape):
        """The input's."""
        return input_shape

    def get_config(self):
        """The number of groups."""
        return {**super().get_config(), "groups": self.groups}


def average_top(x: keras.KerasTensor, classes: int, dropout: float = 0.0) -> keras.KerasTensor:
    """Average pooling and one dense layer: (b, h, w, c) to logits, float32 (b, classes).

    Args:
        x: the last feature map.
        classes: how many.
        dropout: share of the averages dropped in training.
    """
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, dtype="float32", name="dropout")(x)
    return keras.layers.Dense(classes, dtype="float32", name="logits")(x)
