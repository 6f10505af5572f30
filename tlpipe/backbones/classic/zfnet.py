"""ZFNet: AlexNet, mended by looking at what its layers see.

M. Zeiler, R. Fergus (2014), "Visualizing and Understanding Convolutional Networks", ECCV,
figure 3 (section 4.1: filters of 7x7 and stride 2 in the first layer; section 3: no groups):

    layer  from 224x224x3                             out         parameters
    conv1  96 of 7x7, stride 2; pool 3x3, s. 2; norm  55x55x96        14,208
    conv2  256 of 5x5, stride 2; pool 3x3, s. 2; norm 13x13x256      614,656
    conv3  384 of 3x3                                 13x13x384      885,120
    conv4  384 of 3x3                                 13x13x384    1,327,488
    conv5  256 of 3x3; pool 3x3, s. 2                 6x6x256        884,992
    fc6    4096, dropout .5                           4096        37,752,832
    fc7    4096, dropout .5                           4096        16,781,312
    fc8    1000                                       1000         4,097,000

62,357,608 parameters, the sum of the table. The paper calls the norm "contrast normalized across
feature maps" and gives no formula: it is AlexNet's here.
"""

from __future__ import annotations

import keras
from keras import layers

from tlpipe.backbones.classic.alexnet import dense_top
from tlpipe.backbones.classic.layers import LocalResponseNormalization


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """Layers conv1 to conv5: (b, h, w, c) to (b, 6, 6, 256) at 224 px."""
    x = layers.ZeroPadding2D(1, name="conv1_pad")(x)
    x = layers.Conv2D(96, 7, 2, activation="relu", name="conv1")(x)
    # Only with padding are the maps 55 and 13 wide, as in the figure.
    x = layers.MaxPooling2D(3, 2, padding="same", name="conv1_pool")(x)
    x = LocalResponseNormalization(name="conv1_norm")(x)
    x = layers.Conv2D(256, 5, 2, activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="conv2_pool")(x)
    x = LocalResponseNormalization(name="conv2_norm")(x)
    for name, filters in (("conv3", 384), ("conv4", 384), ("conv5", 256)):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
    return layers.MaxPooling2D(3, 2, name="conv5_pool")(x)


def top(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """The layers fc6 to fc8: the last feature map to logits, float32 (b, classes)."""
    return dense_top(x, classes)
