"""ShuffleNet v2 1x: built for speed, not for few multiplications.

N. Ma, X. Zhang, H.-T. Zheng, J. Sun (2018), "ShuffleNet V2: Practical Guidelines for Efficient CNN
Architecture Design", ECCV, table 5 (1x) and figure 3:

    stage   from 224x224x3                     out
    conv1   24 of 3x3, stride 2                112x112x24
    pool    3x3, stride 2                      56x56x24
    stage2  1 unit of stride 2, 3 of stride 1  28x28x116
    stage3  1 unit of stride 2, 7 of stride 1  14x14x232
    stage4  1 unit of stride 2, 3 of stride 1  7x7x464
    conv5   1024 of 1x1                        7x7x1024
    average pool, 1000

A unit leaves half of its channels alone and takes the other half through 1x1, depthwise 3x3 and
1x1; at stride 2 all channels go through that, and beside it through depthwise 3x3 and 1x1. Then
the halves are shuffled. 2,278,604 trainable parameters as torchvision counts its
shufflenet_v2_x1_0 (the paper: 2.3 million).
"""

from __future__ import annotations

import keras
from keras import layers

from tlpipe.backbones.classic.convolution import conv_norm, depthwise_norm, max_pool
from tlpipe.backbones.classic.layers import ChannelShuffle, average_top

_STAGES = ((2, 116, 4), (3, 232, 8), (4, 464, 4))


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """conv1 to conv5: (b, h, w, c) to (b, h / 32, w / 32, 1024), rounded up."""
    x = max_pool(conv_norm(x, 24, 3, "conv1", stride=2), "conv1_pool")
    for stage, filters, units in _STAGES:
        for unit in range(1, units + 1):
            x = _unit(x, filters // 2, f"stage{stage}_unit{unit}", first=unit == 1)
    return conv_norm(x, 1024, 1, "conv5")


def top(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Average pooling and logits, float32 (b, classes)."""
    return average_top(x, classes)


def _unit(x, half: int, name: str, first: bool):
    if first:
        left = depthwise_norm(x, f"{name}_left_1", stride=2)
        left, right = conv_norm(left, half, 1, f"{name}_left_2"), x
    else:
        left, right = ChannelSplit(name=f"{name}_split")(x)
    right = conv_norm(right, half, 1, f"{name}_1")
    right = depthwise_norm(right, f"{name}_2", stride=2 if first else 1)
    right = conv_norm(right, half, 1, f"{name}_3")
    x = layers.Concatenate(name=f"{name}_concat")([left, right])
    return ChannelShuffle(2, name=f"{name}_shuffle")(x)


@keras.saving.register_keras_serializable(package="tlpipe")
class ChannelSplit(layers.Layer):
    """The first and the second half of the channels: (b, h, w, 2n) to two of (b, h, w, n)."""

    def call(self, x):
        """(b, h, w, 2n) to two of (b, h, w, n)."""
        half = x.shape[-1] // 2
        return x[..., :half], x[..., half:]
