"""EfficientNet-Lite0..4 as one flat Keras graph, uint8 pixels in.

Source: Tan and Le, "EfficientNet" (https://arxiv.org/abs/1905.11946), and the Lite variants that
TensorFlow published in 2020: no squeeze-excitation, ReLU6 in place of swish, and a stem, a head
and outer stages whose size stays fixed when the rest is scaled.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import keras
from keras import layers


class _Scale(NamedTuple):
    width: float
    depth: float
    size: int
    dropout: float


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expand: int
    filters: int


_SCALES = (
    _Scale(1.0, 1.0, 224, 0.2),
    _Scale(1.0, 1.1, 240, 0.2),
    _Scale(1.1, 1.2, 260, 0.3),
    _Scale(1.2, 1.4, 280, 0.3),
    _Scale(1.4, 1.8, 300, 0.3),
)
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM, _HEAD, _CLASSES = 32, 1280, 1000
# He initialisation on fan-out, as in the paper; only matters without pretrained weights.
_INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"},
}


def default_size(variant: int) -> int:
    """The square input in pixels that variant 0..4 was trained on."""
    return _SCALES[variant].size


def block_names(variant: int) -> list[str]:
    """Names of the inverted residuals of variant 0..4 in order: block1a, block2a, block2b, ..."""
    return [name for name, *_ in _plan(_SCALES[variant])]


def efficientnet_lite(
    variant: int, size: int | None = None, *, include_top: bool = False
) -> keras.Model:
    """Build EfficientNet-Lite without weights, under the global dtype policy.

    Args:
        variant: 0 to 4.
        size: input height and width in pixels; the variant's own when None.
        include_top: add the original classifier: pooling, dropout and 1000 logits.

    Returns:
        A functional model of built-in layers, input ``image``: uint8 RGB (batch, size, size, 3),
        output: features before pooling (batch, size/32, size/32, 1280), or logits (batch, 1000).
    """
    scale = _SCALES[variant]
    size = size or scale.size
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    # (x - 127) / 128, exact in float32 because both constants are.
    x = layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32", name="stem_rescaling")(image)
    x = _conv(x, "stem", _STEM, kernel=3, stride=2)
    for name, stage, stride, filters in _plan(scale):
        x = _block(x, name, stage, stride, filters)
    x = _conv(x, "top", _HEAD)
    if include_top:
        x = layers.GlobalAveragePooling2D(name="top_pool")(x)
        x = layers.Dropout(scale.dropout, name="top_dropout")(x)
        x = layers.Dense(_CLASSES, dtype="float32", name="top_logits")(x)
    return keras.Model(image, x, name=f"efficientnet_lite{variant}")


def _plan(scale: _Scale) -> list[tuple[str, _Stage, int, int]]:
    """(name, stage, stride, filters) of every inverted residual, the scaling applied."""
    plan = []
    for number, stage in enumerate(_STAGES, start=1):
        outer = number in (1, len(_STAGES))
        repeats = stage.repeats if outer else math.ceil(scale.depth * stage.repeats)
        filters = _round_filters(stage.filters * scale.width)
        for i in range(repeats):
            name = f"block{number}{chr(ord('a') + i)}"
            plan.append((name, stage, stage.stride if i == 0 else 1, filters))
    return plan


def _round_filters(filters: float, divisor: int = 8) -> int:
    """The nearest multiple of ``divisor``, never more than 10 % below ``filters``."""
    rounded = max(divisor, int(filters + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * filters else rounded


def _block(x, name: str, stage: _Stage, stride: int, filters: int):
    shortcut, channels = x, x.shape[-1]
    if stage.expand != 1:
        x = _conv(x, f"{name}_expand", channels * stage.expand)
    x = layers.DepthwiseConv2D(
        stage.kernel,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_INITIALIZER,
        name=f"{name}_depthwise_conv",
    )(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_depthwise_bn")(x)
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = _conv(x, f"{name}_project", filters, activate=False)
    if stride == 1 and channels == filters:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _conv(x, name: str, filters: int, kernel: int = 1, stride: int = 1, activate: bool = True):
    x = layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=_INITIALIZER,
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x
