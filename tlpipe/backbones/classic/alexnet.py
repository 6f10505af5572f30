"""AlexNet, which won ImageNet in 2012.

A. Krizhevsky, I. Sutskever, G. Hinton (2012), "ImageNet Classification with Deep Convolutional
Neural Networks", NIPS 25, section 3.5 and figure 2:

    layer  from 227x227x3                               out         parameters
    conv1  96 of 11x11, stride 4; LRN; pool 3x3, s. 2   27x27x96        34,944
    conv2  256 of 5x5 in 2 groups; LRN; pool 3x3, s. 2  13x13x256      307,456
    conv3  384 of 3x3                                   13x13x384      885,120
    conv4  384 of 3x3 in 2 groups                       13x13x384      663,936
    conv5  256 of 3x3 in 2 groups; pool 3x3, s. 2       6x6x256        442,624
    fc6    4096, dropout .5                             4096        37,752,832
    fc7    4096, dropout .5                             4096        16,781,312
    fc8    1000                                         1000         4,097,000

60,965,224 parameters (the paper: 60 million), a ReLU behind each layer. The groups were the two
GPUs. The paper prints 224, but its 55x55 maps of conv1 need 227. Dropout is Keras' own, which
scales in training where the paper scales in the test.
"""

from __future__ import annotations

import keras
from keras import layers

from tlpipe.backbones.classic.convolution import GroupedConv2D
from tlpipe.backbones.classic.layers import LocalResponseNormalization


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """Layers conv1 to conv5: (b, h, w, c) to (b, 6, 6, 256) at 227 px."""
    x = layers.Conv2D(96, 11, 4, activation="relu", name="conv1")(x)
    x = LocalResponseNormalization(name="conv1_norm")(x)
    x = layers.MaxPooling2D(3, 2, name="conv1_pool")(x)
    x = _conv(x, 256, 5, "conv2", groups=2)
    x = LocalResponseNormalization(name="conv2_norm")(x)
    x = layers.MaxPooling2D(3, 2, name="conv2_pool")(x)
    x = _conv(x, 384, 3, "conv3")
    x = _conv(x, 384, 3, "conv4", groups=2)
    x = _conv(x, 256, 3, "conv5", groups=2)
    return layers.MaxPooling2D(3, 2, name="conv5_pool")(x)


def top(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """The layers fc6 to fc8: the last feature map to logits, float32 (b, classes)."""
    return dense_top(x, classes)


def dense_top(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Two layers of 4096 units with dropout, and the logits: AlexNet's and ZFNet's classifier."""
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc6", "fc7"):
        x = layers.Dense(4096, activation="relu", name=name)(x)
        x = layers.Dropout(0.5, name=f"{name}_dropout")(x)
    return layers.Dense(classes, dtype="float32", name="fc8")(x)


def _conv(x, filters: int, kernel: int, name: str, groups: int = 1):
    kind = GroupedConv2D if groups > 1 else layers.Conv2D
    convolution = kind(filters, kernel, padding="same", groups=groups, activation="relu", name=name)
    return convolution(x)
