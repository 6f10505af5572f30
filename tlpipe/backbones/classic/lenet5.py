"""LeNet-5, the network that read cheques.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998), "Gradient-Based Learning Applied to Document
Recognition", Proceedings of the IEEE 86(11), section II.B:

    layer  maps        from 32x32x1                               parameters
    C1     6 @ 28x28   convolution 5x5                                   156
    S2     6 @ 14x14   2x2 mean, a coefficient and a bias a map           12
    C3     16 @ 10x10  convolution 5x5, each map on 3, 4 or 6 of S2    1,516
    S4     16 @ 5x5    as S2                                              32
    C5     120 @ 1x1   convolution 5x5                                48,120
    F6     84          dense                                          10,164
    output 10          distance to a fixed code of 84 bits         840 fixed

60,000 trainable parameters, as the paper counts. C3 is wired by the paper's table I. Every layer up
to F6 ends in 1.7159 tanh(2/3 a). The output's codes are drawn at random, which the paper names
beside its bitmaps of letters (section II.B), so that any number of classes has them.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from tlpipe.backbones.classic.convolution import GroupedConv2D

_CODE = 84
# Table I: which maps of S2 the maps 0-5, 6-11, 12-14 and 15 of C3 look at.
_WIRES = (
    [[i, i + 1, i + 2] for i in range(6)],
    [[i, i + 1, i + 2, i + 3] for i in range(6)],
    [[i, i + 1, i + 3, i + 4] for i in range(3)],
    [[0, 1, 2, 3, 4, 5]],
)


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """Layers C1 to C5: (b, h, w, c) to (b, h / 4 - 7, w / 4 - 7, 120)."""
    x = _squash(layers.Conv2D(6, 5, name="conv1")(x), "conv1_tanh")
    x = _squash(_subsample(x, "pool2"), "pool2_tanh")
    x = _squash(_sparse(x), "conv3_tanh")
    x = _squash(_subsample(x, "pool4"), "pool4_tanh")
    return _squash(layers.Conv2D(120, 5, name="conv5")(x), "conv5_tanh")


def top(x: keras.KerasTensor, classes: int, *, seed: int = 0) -> keras.KerasTensor:
    """F6 and the output: the last feature map to logits, float32 (b, classes).

    Args:
        x: (b, h, w, 120).
        classes: how many.
        seed: of the classes' codes.
    """
    x = layers.Flatten(name="flatten")(x)
    x = _squash(layers.Dense(_CODE, name="fc6")(x), "fc6_tanh")
    return CodeDistance(classes, seed=seed, dtype="float32", name="logits")(x)


def _sparse(x):
    parts = []
    for letter, wires in zip("abcd", _WIRES, strict=True):
        name = f"conv3_{letter}"
        chosen = [i % 6 for wire in wires for i in wire]
        y = TakeChannels(chosen, name=f"{name}_wires")(x)
        parts.append(GroupedConv2D(len(wires), 5, groups=len(wires), name=name)(y))
    return layers.Concatenate(name="conv3_concat")(parts)


def _subsample(x, name: str):
    x = layers.AveragePooling2D(2, name=name)(x)
    return layers.DepthwiseConv2D(1, name=f"{name}_scale")(x)


def _squash(x, name: str):
    return layers.Activation(scaled_tanh, name=name)(x)


@keras.saving.register_keras_serializable(package="tlpipe")
def scaled_tanh(x):
    """1.7159 tanh(2/3 x): the paper's squashing function, which is 1 at 1 and -1 at -1."""
    return 1.7159 * ops.tanh(x * (2 / 3))


@keras.saving.register_keras_serializable(package="tlpipe")
class TakeChannels(keras.layers.Layer):
    """The channels named, in that order and as often: (b, h, w, c) to (b, h, w, len(channels)).

    Args:
        channels: indices, 0 to c - 1.
    """

    def __init__(self, channels: list[int], **options):
        super().__init__(**options)
        self.channels = list(channels)

    def call(self, x):
        """(b, h, w, c) to (b, h, w, len(channels))."""
        return ops.take(x, np.asarray(self.channels, "int32"), axis=-1)

    def compute_output_shape(self, input_shape):
        """With as many channels as are named."""
        return (*input_shape[:-1], len(self.channels))

    def get_config(self):
        """The indices."""
        return {**super().get_config(), "channels": self.channels}


@keras.saving.register_keras_serializable(package="tlpipe")
class CodeDistance(keras.layers.Layer):
    """Minus the squared distance to each class's fixed code of -1s and 1s: Gaussian connections.

    (b, n) to (b, classes): the log-likelihood of a class, but for a constant.

    Args:
        classes: how many codes.
        seed: of the codes.
    """

    def __init__(self, classes: int, seed: int = 0, **options):
        super().__init__(**options)
        self.classes, self.seed = classes, seed

    def build(self, input_shape):
        """Draws the codes."""
        shape = (self.classes, input_shape[-1])
        codes = np.random.default_rng(self.seed).choice([-1.0, 1.0], shape)
        self.codes = self.add_weight(
            name="codes",
            shape=shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(codes, dtype),
            trainable=False,
        )

    def call(self, x):
        """(b, n) to (b, classes)."""
        return -ops.sum(ops.square(x[:, None] - self.codes), axis=-1)

    def compute_output_shape(self, input_shape):
        """(b, classes)."""
        return (input_shape[0], self.classes)

    def get_config(self):
        """The number of codes and their seed."""
        return {**super().get_config(), "classes": self.classes, "seed": self.seed}
