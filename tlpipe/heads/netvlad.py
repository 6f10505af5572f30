"""NetVLAD: how the local features of a picture lie around learned centres."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tlpipe")
class NetVLAD(keras.layers.Layer):
    """NetVLAD (Arandjelovic, Gronat, Torii, Pajdla & Sivic 2016, section 3.1).

    Every place of the map is one local feature x, scaled to length 1. A 1x1 convolution and a
    softmax assign it to the clusters, V(k) = sum over x of a_k(x) (x - c_k) (equation 4). Each V(k)
    is scaled to length 1, and then all of them together. Convolution and centres are trained
    independently of each other, as in the paper.

    (b, h, w, c) to (b, clusters * c), cluster by cluster.

    Args:
        clusters: K; 2 or more.
        seed: of the first weights, until :meth:`start_from` sets them.
    """

    def __init__(self, clusters: int = 16, seed: int = 0, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.clusters, self.seed = clusters, seed

    def build(self, input_shape):
        """Makes the 1x1 convolution (kernel and bias) and the centres."""
        channels = input_shape[-1]
        glorot = keras.initializers.GlorotUniform
        self.kernel = self.add_weight(
            name="kernel", shape=(channels, self.clusters), initializer=glorot(self.seed)
        )
        self.bias = self.add_weight(name="bias", shape=(self.clusters,), initializer="zeros")
        self.centres = self.add_weight(
            name="centres", shape=(self.clusters, channels), initializer=glorot(self.seed + 1)
        )

    def start_from(self, centres, alpha: float) -> None:
        """Sets the weights so that a_k(x) is the softmax of -alpha * |x - c_k|^2.

        Args:
            centres: float (clusters, c).
            alpha: how hard the assignment is; above 0.
        """
        centres = ops.cast(centres, "float32")
        self.centres.assign(centres)
        self.kernel.assign(2 * alpha * ops.transpose(centres))
        self.bias.assign(-alpha * ops.sum(ops.square(centres), axis=1))

    def call(self, x):
        """(b, h, w, c) to (b, clusters * c)."""
        height, width, channels = ops.shape(x)[1:]
        x = _unit(ops.reshape(x, (-1, height * width, channels)))
        share = ops.softmax(ops.matmul(x, self.kernel) + self.bias, axis=-1)
        # The sum of a (x - c) taken apart, so that no (b, places, K, c) tensor comes into being.
        weight = ops.expand_dims(ops.sum(share, axis=1), -1)
        residuals = ops.matmul(ops.transpose(share, (0, 2, 1)), x) - weight * self.centres
        return _unit(ops.reshape(_unit(residuals), (-1, self.clusters * self.centres.shape[1])))

    def get_config(self):
        """The arguments."""
        return {**super().get_config(), "clusters": self.clusters, "seed": self.seed}


def _unit(x):
    """Scaled to length 1 along the last axis; a vector of zeros stays, with a finite slope."""
    squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, 1e-12))
