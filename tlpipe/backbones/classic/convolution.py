"""Convolutions in groups, and convolution with BatchNorm, as the networks of 2016 to 2018 use."""

from __future__ import annotations

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="tlpipe")
class GroupedConv2D(layers.Conv2D):
    """Keras' ``Conv2D`` with ``groups``, channels last, whose gradient is quick on CPUs.

    Keras leaves groups on a CPU to XLA, whose gradient takes 400 times as long as that of one
    convolution a group (ResNeXt's 3x3 at 28 px). Arguments and weights are those of ``Conv2D``.
    """

    def convolution_op(self, inputs, kernel):
        """(b, h, w, c) and (rows, columns, c / groups, filters) to (b, h', w', filters)."""
        how = {
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
        }
        parts = zip(
            ops.split(inputs, self.groups, axis=-1),
            ops.split(kernel, self.groups, axis=-1),
            strict=True,
        )
        return ops.concatenate(
            [ops.conv(x, k, data_format="channels_last", **how) for x, k in parts], axis=-1
        )


def conv_norm(
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    name: str,
    *,
    stride: int = 1,
    groups: int = 1,
    relu: bool = True,
) -> keras.KerasTensor:
    """Convolution without bias, BatchNorm and, unless told otherwise, ReLU.

    Returns:
        (b, h / stride, w / stride, filters), rounded up.
    """
    kind = GroupedConv2D if groups > 1 else layers.Conv2D
    convolution = kind(
        filters,
        kernel,
        stride,
        padding="same" if stride == 1 else "valid",
        groups=groups,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )
    return _norm(convolution(x if stride == 1 else padded(x, kernel, name)), name, relu)


def depthwise_norm(x: keras.KerasTensor, name: str, *, stride: int = 1) -> keras.KerasTensor:
    """Depthwise 3x3 convolution without bias and BatchNorm: (b, h / stride, w / stride, c)."""
    convolution = layers.DepthwiseConv2D(
        3,
        stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_dwconv",
    )
    return _norm(convolution(x if stride == 1 else padded(x, 3, name)), name, relu=False)


def max_pool(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """3x3, stride 2, of a map without negative values: (b, h / 2, w / 2, c), rounded up."""
    return layers.MaxPooling2D(3, 2, name=name)(padded(x, 3, name))


def padded(x: keras.KerasTensor, kernel: int, name: str) -> keras.KerasTensor:
    """With as many zeros on each side as centre ``kernel``.

    "same" would put fewer in front where the stride is 2, unlike Caffe and Torch, in which the
    papers' networks were made.
    """
    return x if kernel == 1 else layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)


def _norm(x, name: str, relu: bool):
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x
