"""SE-ResNet-50: each bottleneck weighs its channels by what the whole picture shows.

J. Hu, L. Shen, G. Sun (2018), "Squeeze-and-Excitation Networks", CVPR, table 1 (reduction 16):

    stage  from 224x224x3                                                      out
    conv1  64 of 7x7, stride 2                                                 112x112x64
    conv2  3x3 pooling, stride 2; 3 x (1x1 64, 3x3 64, 1x1 256, fc 16, 256)    56x56x256
    conv3  4 x (1x1 128, 3x3 128, 1x1 512, fc 32, 512)                         28x28x512
    conv4  6 x (1x1 256, 3x3 256, 1x1 1024, fc 64, 1024)                       14x14x1024
    conv5  3 x (1x1 512, 3x3 512, 1x1 2048, fc 128, 2048)                      7x7x2048
    average pool, 1000

The fc act on the averages of the channels and end in a sigmoid that multiplies the channels. A
stage's stride is in its first 1x1, as in the authors' network. 28,088,024 trainable parameters, as
the literature counts it (ResNet-50's 25,557,032 and 2,530,992 of the fc with their biases).
"""

from __future__ import annotations

import keras

from tlpipe.backbones.classic.bottleneck import resnet50
from tlpipe.backbones.classic.layers import average_top


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """Stages conv1 to conv5: (b, h, w, c) to (b, h / 32, w / 32, 2048), rounded up."""
    return resnet50(x, stride_first=True, reduction=16)


def top(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Average pooling and logits, float32 (b, classes)."""
    return average_top(x, classes)
