"""GoogLeNet, the first Inception network.

C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, V. Vanhoucke,
A. Rabinovich (2015), "Going Deeper with Convolutions", CVPR, table 1:

    layer           from 224x224x3                                  out
    conv1           64 of 7x7, stride 2; pool 3x3, stride 2; LRN    56x56x64
    conv2           64 of 1x1, 192 of 3x3; LRN; pool 3x3, stride 2  28x28x192
                    1x1  3x3 reduce, 3x3  5x5 reduce, 5x5  pool 1x1
    inception_3a     64           96, 128          16,  32       32  28x28x256
    inception_3b    128          128, 192          32,  96       64  28x28x480
    pool 3x3, stride 2
    inception_4a    192           96, 208          16,  48       64  14x14x512
    inception_4b    160          112, 224          24,  64       64  14x14x512
    inception_4c    128          128, 256          24,  64       64  14x14x512
    inception_4d    112          144, 288          32,  64       64  14x14x528
    inception_4e    256          160, 320          32, 128      128  14x14x832
    pool 3x3, stride 2
    inception_5a    256          160, 320          32, 128      128  7x7x832
    inception_5b    384          192, 384          48, 128      128  7x7x1024
    average pool, dropout .4, 1000

No BatchNorm, a ReLU behind each convolution. 6,998,552 parameters (the lines of the paper's table
add up to 6.8 million; its 2.7 thousand for conv1 are 9.5). The paper gives LRN no constants: they
are AlexNet's here. Its side classifiers behind 4a and 4d, for training from scratch, are left out.
"""

from __future__ import annotations

import keras
from keras import layers

from tlpipe.backbones.classic.layers import LocalResponseNormalization, average_top

# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool 1x1
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """conv1 to inception_5b: (b, h, w, c) to (b, h / 32, w / 32, 1024), rounded up."""
    x = _conv(x, 64, 7, "conv1", stride=2)
    x = _pool(x, "conv1_pool")
    x = LocalResponseNormalization(name="conv1_norm")(x)
    x = _conv(x, 64, 1, "conv2_reduce")
    x = _conv(x, 192, 3, "conv2")
    x = LocalResponseNormalization(name="conv2_norm")(x)
    x = _pool(x, "conv2_pool")
    for name, filters in _MODULES.items():
        if name in ("4a", "5a"):
            x = _pool(x, f"pool{int(name[0]) - 1}")
        x = _inception(x, f"inception_{name}", *filters)
    return x


def top(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Average pooling, dropout and logits, float32 (b, classes)."""
    return average_top(x, classes, dropout=0.4)


def _inception(
    x, name: str, one: int, three_in: int, three: int, five_in: int, five: int, pool: int
):
    pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    branches = [
        _conv(x, one, 1, f"{name}_1x1"),
        _conv(_conv(x, three_in, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3"),
        _conv(_conv(x, five_in, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5"),
        _conv(pooled, pool, 1, f"{name}_pool_1x1"),
    ]
    return layers.Concatenate(name=f"{name}_concat")(branches)


def _conv(x, filters: int, kernel: int, name: str, stride: int = 1):
    return layers.Conv2D(filters, kernel, stride, padding="same", activation="relu", name=name)(x)


def _pool(x, name: str):
    return layers.MaxPooling2D(3, 2, padding="same", name=name)(x)
