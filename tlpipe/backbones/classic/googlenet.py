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

Behind 4a and 4d, in training, a side classifier each (section 5): average pool 5x5, stride 3; 128
of 1x1; 1024; dropout .7; 1000. No BatchNorm, a ReLU behind each convolution. 6,998,552 parameters,
13,378,280 with the side classifiers, as the literature counts them (the lines of the paper's table
add up to 6.8 million; its 2.7 thousand for conv1 are 9.5). The paper gives LRN no constants: they
are AlexNet's here.
"""

from __future__ import annotations

import keras
from keras import layers

from tlpipe.backbones.classic.layers import LocalResponseNormalization, average_top
from tlpipe.errors import BackboneError

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
_SIDES = ("4a", "4d")
# The paper adds the side losses with this weight.
AUXILIARY_LOSS_WEIGHT = 0.3


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """conv1 to inception_5b: (b, h, w, c) to (b, h / 32, w / 32, 1024), rounded up."""
    return _trunk(x)["5b"]


def top(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Average pooling, dropout and logits, float32 (b, classes)."""
    return average_top(x, classes, dropout=0.4)


def network(
    x: keras.KerasTensor, classes: int, *, auxiliary: bool = False
) -> keras.KerasTensor | list[keras.KerasTensor]:
    """The whole network: ``top`` of ``features``, on request with the side classifiers.

    Args:
        x: (b, h, w, c); with ``auxiliary`` at least 65 px.
        classes: how many.
        auxiliary: also return the logits behind 4a and 4d, whose losses the paper adds with
            ``AUXILIARY_LOSS_WEIGHT`` in training.

    Returns:
        Logits, float32 (b, classes), or a list of the three: main, 4a, 4d.

    Raises:
        BackboneError: the input is too small for the side classifiers.
    """
    maps = _trunk(x)
    logits = top(maps["5b"], classes)
    if not auxiliary:
        return logits
    return [logits, *(_side(maps[name], classes, f"aux_{name}") for name in _SIDES)]


def _trunk(x) -> dict[str, keras.KerasTensor]:
    """The maps behind each Inception module."""
    x = _conv(x, 64, 7, "conv1", stride=2)
    x = _pool(x, "conv1_pool")
    x = LocalResponseNormalization(name="conv1_norm")(x)
    x = _conv(x, 64, 1, "conv2_reduce")
    x = _conv(x, 192, 3, "conv2")
    x = LocalResponseNormalization(name="conv2_norm")(x)
    x = _pool(x, "conv2_pool")
    maps = {}
    for name, filters in _MODULES.items():
        if name in ("4a", "5a"):
            x = _pool(x, f"pool{int(name[0]) - 1}")
        x = maps[name] = _inception(x, f"inception_{name}", *filters)
    return maps


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


def _side(x, classes: int, name: str):
    if min(x.shape[1:3]) < 5:
        raise BackboneError(
            "The pictures are too small for GoogLeNet's side classifiers.",
            cause=f"they pool 5x5 positions of a map that is {x.shape[1]}x{x.shape[2]} here",
            todo="pictures of at least 65 px, or no side classifiers",
        )
    x = layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)
    x = _conv(x, 128, 1, f"{name}_conv")
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.Dense(1024, activation="relu", name=f"{name}_fc")(x)
    x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return layers.Dense(classes, dtype="float32", name=f"{name}_logits")(x)


def _conv(x, filters: int, kernel: int, name: str, stride: int = 1):
    return layers.Conv2D(filters, kernel, stride, padding="same", activation="relu", name=name)(x)


def _pool(x, name: str):
    return layers.MaxPooling2D(3, 2, padding="same", name=name)(x)
