"""Wide ResNet-50-2: width instead of depth.

S. Zagoruyko, N. Komodakis (2016), "Wide Residual Networks", BMVC, section 3 (ImageNet: the inner
3x3 convolution of ResNet-50's bottlenecks twice as wide):

    stage  from 224x224x3                                          out
    conv1  64 of 7x7, stride 2                                     112x112x64
    conv2  3x3 pooling, stride 2; 3 x (1x1 128, 3x3 128, 1x1 256)  56x56x256
    conv3  4 x (1x1 256, 3x3 256, 1x1 512)                         28x28x512
    conv4  6 x (1x1 512, 3x3 512, 1x1 1024)                        14x14x1024
    conv5  3 x (1x1 1024, 3x3 1024, 1x1 2048)                      7x7x2048
    average pool, 1000

68,883,240 trainable parameters as torchvision counts its wide_resnet50_2 (the paper: 68.9
million). A stage's stride is in its first 3x3, as there.
"""

from __future__ import annotations

import keras

from tlpipe.backbones.classic.bottleneck import resnet50
from tlpipe.backbones.classic.layers import average_top


def features(x: keras.KerasTensor) -> keras.KerasTensor:
    """Stages conv1 to conv5: (b, h, w, c) to (b, h / 32, w / 32, 2048), rounded up."""
    return resnet50(x, width=2)


def top(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Average pooling and logits, float32 (b, classes)."""
    return average_top(x, classes)
