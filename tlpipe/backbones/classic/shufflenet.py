"""ShuffleNet 1x with 3 groups: 1x1 convolutions in groups, shuffled in between.

X. Zhang, X. Zhou, M. Lin, J. Sun (2018), "ShuffleNet: An Extremely Efficient Convolutional Neural
Network for Mobile Devices", CVPR, table 1 (g = 3) and figure 2:

    stage   from 224x224x3                     out
    conv1   24 of 3x3, stride 2                112x112x24
    pool    3x3, stride 2                      56x56x24
    stage2  1 unit of stride 2, 3 of stride 1  28x28x240
    stage3  1 unit of stride 2, 7 of stride 1  14x14x480
    stage4  1 unit of stride 2, 3 of stride 1  7x7x960
    average pool, 1000

A unit: 1x1 in groups to a quarter of the unit's channels, shuffle, depthwise 3x3, 1x1 in groups;
added to its input or, at stride 2, set beside the input's 3x3 average. stage2's first 1x1 has no
groups (section 3.2). 1,865,728 trainable parameters, the sum of the table and what the literature
counts for g = 3.
"""

from __future__ import annotations

import keras
from keras import layers

from tlpipe.backbones.classic.convolution import conv_norm, depthwise_norm, max_pool, padded
from tlpipe.backbones.classic.layers import ChannelShuffle, average_top

_GROUPS = 3
_STAGES = ((2, 240, 4), (3, 480, 8), (4, 960, 4))


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """conv1 to stage4: (b, h, w, c) to (b, h / 32, w / 32, 960), rounded up."""
    x = max_pool(conv_norm(x, 24, 3, "conv1", stride=2), "conv1_pool")
    for stage, filters, units in _STAGES:
        for unit in range(1, units + 1):
            x = _unit(x, filters, f"stage{stage}_unit{unit}", first=unit == 1)
    return x


def top(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Average pooling and logits, float32 (b, classes)."""
    return average_top(x, classes)


def _unit(x, filters: int, name: str, first: bool):
    stride = 2 if first else 1
    groups = 1 if name == "stage2_unit1" else _GROUPS
    # Beside the average come only as many channels as are missing.
    missing = filters - x.shape[-1] if first else filters
    y = conv_norm(x, filters // 4, 1, f"{name}_1", groups=groups)
    y = ChannelShuffle(_GROUPS, name=f"{name}_shuffle")(y)
    y = depthwise_norm(y, f"{name}_2", stride=stride)
    y = conv_norm(y, missing, 1, f"{name}_3", groups=_GROUPS, relu=False)
    if first:
        mean = layers.AveragePooling2D(3, 2, name=f"{name}_mean")(padded(x, 3, f"{name}_mean"))
        x = layers.Concatenate(name=f"{name}_concat")([mean, y])
    else:
        x = layers.Add(name=f"{name}_add")([x, y])
    return layers.ReLU(name=f"{name}_out")(x)
