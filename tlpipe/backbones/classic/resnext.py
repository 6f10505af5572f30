"""ResNeXt-50 (32x4d): many narrow paths side by side.

S. Xie, R. Girshick, P. Dollar, Z. Tu, K. He (2017), "Aggregated Residual Transformations for Deep
Neural Networks", CVPR, table 1:

    stage  from 224x224x3                                          out
    conv1  64 of 7x7, stride 2                                     112x112x64
    conv2  3x3 pooling, stride 2; 3 x (1x1 128, 3x3 128, 1x1 256)  56x56x256
    conv3  4 x (1x1 256, 3x3 256, 1x1 512)                         28x28x512
    conv4  6 x (1x1 512, 3x3 512, 1x1 1024)                        14x14x1024
    conv5  3 x (1x1 1024, 3x3 1024, 1x1 2048)                      7x7x2048
    average pool, 1000

Each 3x3 in 32 groups, 4 channels a group in conv2; a stage's stride is in its first 3x3 (section
4). 25,028,904 trainable parameters as torchvision counts its resnext50_32x4d (the paper: 25.0
million).
"""

from __future__ import annotations

import keras

from tlpipe.backbones.classic.bottleneck import resnet50
from tlpipe.backbones.classic.layers import average_top


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """Stages conv1 to conv5: (b, h, w, c) to (b, h / 32, w / 32, 2048), rounded up."""
    return resnet50(x, width=2, groups=32)


def top(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Average pooling and logits, float32 (b, classes)."""
    return average_top(x, classes)
