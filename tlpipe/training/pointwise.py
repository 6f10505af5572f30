"""The gradient of a 1 x 1 convolution on a CPU, as the two matrix products that it is."""

from __future__ import annotations

import keras
from keras import ops

from tlpipe.training.device import gpus


def products_pay(layer: keras.layers.Layer) -> bool:
    """TensorFlow's own gradient of a kernel took up to 1.4 times as long (Zen 3, oneDNN)."""
    return (
        keras.backend.backend() == "tensorflow"
        and not gpus()
        and isinstance(layer, keras.layers.Conv2D)
        and layer.kernel_size == layer.strides == layer.dilation_rate == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


def with_products(convolve, x, kernel):
    """``convolve(x, kernel)``, a convolution as :func:`products_pay` describes it.

    Args:
        convolve: the convolution itself, which keeps its own, fused, forward pass.
        x: (b, h, w, c).
        kernel: (1, 1, c, c').
    """
    inwards, outwards = kernel.shape[2:]

    @ops.custom_gradient
    def differentiable(x, kernel):
        def gradient(*arguments, upstream=None):
            (dy,) = arguments if upstream is None else (upstream,)
            rows, above = ops.reshape(x, (-1, inwards)), ops.reshape(dy, (-1, outwards))
            matrix = ops.reshape(kernel, (inwards, outwards))
            dx = ops.matmul(above, ops.transpose(matrix))
            dkernel = ops.matmul(ops.transpose(rows), above)
            return ops.reshape(dx, ops.shape(x)), ops.reshape(dkernel, kernel.shape)

        return convolve(x, kernel), gradient

    return differentiable(x, kernel)
