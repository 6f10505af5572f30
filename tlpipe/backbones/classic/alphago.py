"""AlphaGo's policy network: where on the board to play.

D. Silver et al. (2016), "Mastering the game of Go with deep neural networks and tree search",
Nature 529, Methods, "Neural network architecture", with the 192 filters of the match version:

    layer    from 19x19x48                        out        parameters
    conv1    192 of 5x5, zero padded; ReLU        19x19x192     230,592
    conv2-12 192 of 3x3, zero padded; ReLU        19x19x192   3,651,648
    conv13   1 of 1x1, a bias for each position   19x19             553
    softmax over the 361 points

3,882,793 parameters, the sum of the table. There is no pooling: each point of the board stays.
"""

from __future__ import annotations

import keras
from keras import layers

from tlpipe.errors import BackboneError

_FILTERS, _LAYERS = 192, 12


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """Layers conv1 to conv12: (b, h, w, planes) to (b, h, w, 192)."""
    for number in range(1, _LAYERS + 1):
        kernel = 5 if number == 1 else 3
        x = layers.Conv2D(
            _FILTERS, kernel, padding="same", activation="relu", name=f"conv{number}"
        )(x)
    return x


def top(x: keras.KerasTensor, classes: int = 361) -> keras.KerasTensor:
    """The last layer: a logit for each point of the board, row by row, float32 (b, classes).

    Raises:
        BackboneError: the board has not ``classes`` points.
    """
    _, height, width, _ = x.shape
    if height * width != classes:
        raise BackboneError(
            f"AlphaGo's policy has {height * width} moves, not {classes}.",
            cause=f"it has one class for each point of a {height}x{width} board",
            todo=f"give it {height * width} classes, or another head",
        )
    x = layers.Conv2D(1, 1, use_bias=False, name="conv13")(x)
    x = PositionBias(dtype="float32", name="conv13_bias")(x)
    return layers.Flatten(dtype="float32", name="logits")(x)


@keras.saving.register_keras_serializable(package="tlpipe")
class PositionBias(keras.layers.Layer):
    """Adds a bias of its own to each position of each channel: (b, h, w, c) to the same."""

    def build(self, input_shape):
        """A bias of zero for each position."""
        self.bias = self.add_weight(name="bias", shape=tuple(input_shape[1:]), initializer="zeros")

    def call(self, x):
        """(b, h, w, c) to the same."""
        return x + self.bias
