"""Depthwise convolutions on a CPU, where the backends' own are slow."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tlpipe.training.device import gpus

# Above this many positions the products of all pairs of them cost more than they save.
_SMALL_MAP = 100


def shifts_pay(layer: keras.layers.Layer) -> bool:
    """XLA has no good depthwise convolution on CPUs: Lite0 takes 8.5 times as long with it."""
    return keras.backend.backend() == "jax" and _is_plain(layer)


def gradient_pays(layer: keras.layers.Layer) -> bool:
    """On small maps the gradient of the kernel takes ten times as long as the convolution."""
    rows, columns = layer.input.shape[1:3]
    return (
        _is_plain(layer)
        and layer.strides == (1, 1)
        and layer.padding == "same"
        and all(side % 2 for side in layer.kernel_size)
        and rows is not None
        and columns is not None
        and rows * columns <= _SMALL_MAP
    )


def half_is_slow(layer: keras.layers.Layer) -> bool:
    """TensorFlow's own two gradients take 4 and 40 times as long in bfloat16 as in float32."""
    return (
        keras.backend.backend() == "tensorflow"
        and not gpus()
        and isinstance(layer, keras.layers.DepthwiseConv2D)
        and layer.trainable
        and layer.compute_dtype != "float32"
    )


def _is_plain(layer: keras.layers.Layer) -> bool:
    return (
        isinstance(layer, keras.layers.DepthwiseConv2D)
        and not gpus()
        and layer.depth_multiplier == 1
        and layer.dilation_rate == (1, 1)
        and layer.strides[0] == layer.strides[1]
        and layer.data_format == "channels_last"
    )


def sum_of_shifts(x, kernel, stride: int, padding: str):
    """Depthwise convolution as a sum of shifted products, which XLA fuses into one loop.

    Args:
        x: (b, h, w, c).
        kernel: (rows, columns, c, 1).
        stride: 1 or more, the same down and across.
        padding: ``same`` or ``valid``.
    """
    rows, columns = kernel.shape[:2]
    if padding == "same":
        around = [
            max((-(-side // stride) - 1) * stride + k - side, 0)
            for side, k in zip(x.shape[1:3], (rows, columns), strict=True)
        ]
        before_after = [(extra // 2, extra - extra // 2) for extra in around]
        x = ops.pad(x, [(0, 0), *before_after, (0, 0)])
    height = (x.shape[1] - rows) // stride * stride + 1
    width = (x.shape[2] - columns) // stride * stride + 1
    return sum(
        x[:, i : i + height : stride, j : j + width : stride] * kernel[i, j, :, 0]
        for i in range(rows)
        for j in range(columns)
    )


def with_quick_gradient(convolve, x, kernel):
    """``convolve(x, kernel)``, a depthwise convolution as :func:`gradient_pays` describes it.

    The gradient of the picture is the same convolution with the kernel turned round. That of the
    kernel is, for each channel, the matrix of the products of every position of ``x`` with every
    position of the gradient, added up along its diagonals: one matrix product instead of a slow
    loop.
    """
    height, width, channels = x.shape[1:]
    diagonals = ops.convert_to_tensor(_diagonals(height, width, *kernel.shape[:2]))

    @ops.custom_gradient
    def differentiable(x, kernel):
        def gradient(*arguments, upstream=None):
            (dy,) = arguments if upstream is None else (upstream,)
            planes = (
                ops.reshape(ops.transpose(t, (3, 1, 2, 0)), (channels, height * width, -1))
                for t in (x, dy)
            )
            first, second = planes
            products = ops.matmul(first, ops.transpose(second, (0, 2, 1)))
            summed = ops.matmul(
                ops.reshape(products, (channels, -1)), ops.cast(diagonals, products.dtype)
            )
            shape = (*kernel.shape[:2], channels, 1)
            dkernel = ops.reshape(ops.transpose(summed), shape)
            return convolve(dy, ops.flip(kernel, (0, 1))), dkernel

        return convolve(x, kernel), gradient

    return differentiable(x, kernel)


def _diagonals(height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """1 where position p of x and q of the output meet at a place of the kernel.

    float32 (positions * positions, rows * columns).
    """
    y, x = np.divmod(np.arange(height * width), width)
    down = y[:, None] - y[None] + rows // 2
    across = x[:, None] - x[None] + columns // 2
    place = np.where(
        (down >= 0) & (down < rows) & (across >= 0) & (across < columns),
        down * columns + across,
        -1,
    )
    return (place.reshape(-1, 1) == np.arange(rows * columns)).astype("float32")
