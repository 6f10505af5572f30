"""ResNet-50 with other bottlenecks: the trunk of ResNeXt, Wide ResNet and SE-ResNet.

K. He, X. Zhang, S. Ren, J. Sun (2016), "Deep Residual Learning for Image Recognition", CVPR,
table 1: 7x7 stride 2, 3x3 pooling, then stages of 3, 4, 6 and 3 bottlenecks.
"""

from __future__ import annotations

import keras
from keras import layers

from tlpipe.backbones.classic.convolution import conv_norm, max_pool

_STAGES = ((2, 3), (3, 4), (4, 6), (5, 3))


def resnet50(
    x: keras.KerasTensor,
    *,
    width: int = 1,
    groups: int = 1,
    stride_first: bool = False,
    reduction: int | None = None,
) -> keras.KerasTensor:
    """Stages conv1 to conv5: (b, h, w, c) to (b, h / 32, w / 32, 2048), rounded up.

    Args:
        x: preprocessed pictures.
        width: by which the channels of the 3x3 convolutions are multiplied.
        groups: of the 3x3 convolutions.
        stride_first: the stride is in a stage's first 1x1 convolution, as in He et al., not in
            its first 3x3 as in what followed.
        reduction: of squeeze and excitation; None for none.
    """
    x = max_pool(conv_norm(x, 64, 7, "conv1", stride=2), "conv1_pool")
    for stage, repeats in _STAGES:
        outer = 64 * 2**stage
        for number in range(1, repeats + 1):
            name = f"conv{stage}_block{number}"
            stride = 2 if number == 1 and stage > 2 else 1
            strides = (stride, 1) if stride_first else (1, stride)
            y = conv_norm(x, width * outer // 4, 1, f"{name}_1", stride=strides[0])
            y = conv_norm(y, width * outer // 4, 3, f"{name}_2", stride=strides[1], groups=groups)
            y = conv_norm(y, outer, 1, f"{name}_3", relu=False)
            if reduction:
                y = _squeeze_excite(y, reduction, f"{name}_se")
            if number == 1:
                x = conv_norm(x, outer, 1, f"{name}_0", stride=stride, relu=False)
            x = layers.Add(name=f"{name}_add")([x, y])
            x = layers.ReLU(name=f"{name}_out")(x)
    return x


def _squeeze_excite(x, reduction: int, name: str):
    channels = x.shape[-1]
    s = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    s = layers.Conv2D(channels // reduction, 1, activation="relu", name=f"{name}_reduce")(s)
    s = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_expand")(s)
    return layers.Multiply(name=f"{name}_excite")([x, s])
