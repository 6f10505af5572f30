"""The same network computed faster: frozen BatchNorm taken into the convolution before it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras
from keras import ops

from tlpipe.backbones.foldable import foldable
from tlpipe.training.depthwise import (
    gradient_pays,
    half_is_slow,
    shifts_pay,
    sum_of_shifts,
    with_quick_gradient,
)
from tlpipe.training.device import gpus
from tlpipe.training.pointwise import products_pay, with_products

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


class Convolution(keras.layers.Layer):
    """A convolution with the frozen BatchNorm behind it, computed as one convolution.

    With s = gamma / sqrt(variance + epsilon), the convolution with kernel w and bias b followed by
    its BatchNorm is the convolution with kernel w * s and bias (b - mean) * s + beta (Jacob et al.
    2018, section 3.2); equal but for rounding. The variables stay those of the two layers, so that
    training this one trains them.

    Args:
        convolution: Conv2D or DepthwiseConv2D, channels last.
        norm: a BatchNorm in inference mode, or None.
        hold: see ``fast``.
    """

    def __init__(
        self,
        convolution: keras.layers.Conv2D | keras.layers.DepthwiseConv2D,
        norm: keras.layers.BatchNormalization | None,
        hold: bool = False,
    ):
        slow = half_is_slow(convolution) and not gradient_pays(convolution)
        policy = "float32" if slow else convolution.dtype_policy
        super().__init__(name=convolution.name, dtype=policy, autocast=False)
        self.convolution, self.norm = convolution, norm
        self.depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
        self.shifted = self.depthwise and shifts_pay(convolution)
        self.quick_gradient = None
        if self.depthwise and gradient_pays(convolution):
            self.quick_gradient = with_quick_gradient
        elif products_pay(convolution):
            self.quick_gradient = with_products
        keep = _held if hold else _as_it_is
        self._affine = None if norm is None else keep(partial(_affine, norm))
        self._weights = self._folded if convolution.trainable else keep(self._folded)
        self.built = True

    def call(self, x):
        """(b, h, w, c) to (b, h', w', c')."""
        kernel, bias = self._weights()
        x = ops.cast(x, self.compute_dtype)
        if self.quick_gradient and self.convolution.trainable:
            x = self.quick_gradient(self._convolve, x, kernel)
        else:
            x = self._convolve(x, kernel)
        return self.convolution.activation(x if bias is None else x + bias)

    def compute_output_shape(self, input_shape):
        """That of the convolution: Keras would trace the call to find it out."""
        return self.convolution.compute_output_shape(input_shape)

    def _folded(self):
        layer = self.convolution
        # Scaled in float32 also when it is applied in half precision.
        kernel = ops.cast(layer.kernel, "float32")
        bias = ops.cast(layer.bias, "float32") if layer.use_bias else None
        if self.norm is not None:
            scale, shift = self._affine()
            # A depthwise kernel is (h, w, channels, multiplier), an ordinary one (h, w, in, out).
            kernel *= ops.reshape(scale, kernel.shape[2:]) if self.depthwise else scale
            bias = shift if bias is None else bias * scale + shift
        if bias is not None:
            bias = ops.cast(bias, self.compute_dtype)
        return ops.cast(kernel, self.compute_dtype), bias

    def _convolve(self, x, kernel):
        layer = self.convolution
        if self.shifted:
            return sum_of_shifts(x, kernel, layer.strides[0], layer.padding)
        how = {
            "strides": layer.strides,
            "padding": layer.padding,
            "dilation_rate": layer.dilation_rate,
            "data_format": layer.data_format,
        }
        return (
            ops.depthwise_conv(x, kernel, **how) if self.depthwise else ops.conv(x, kernel, **how)
        )


def fast(model: keras.Model, *, hold: bool = False) -> keras.Model:
    """``model`` with every BatchNorm that is not trainable folded, where a convolution takes it in.

    Halves the time of a forward pass on a CPU. The result shares its layers and variables with
    ``model``, which is left as it is.

    Args:
        model: a functional model, such as the prefix or the suffix of a cut.
        hold: read what is not trainable now and for good, where that pays: a network that trains
            for a while and is neither written to a file nor given other frozen weights.
    """
    norms = {
        convolution.name: step.operation
        for convolution, step in foldable(model)
        if type(convolution) in _CONVOLUTIONS and not step.operation.trainable
    }
    folded = {norm.name for norm in norms.values()}
    # Cloning a compiled model would try to clone its optimizer too.
    model = keras.Model(model.inputs, model.outputs)

    def replace(operation):
        if type(operation) not in _CONVOLUTIONS:
            return operation
        norm = norms.get(operation.name)
        pays = norm or shifts_pay(operation) or half_is_slow(operation)
        return Convolution(operation, norm, hold) if pays else operation

    def call(operation, *args, **kwargs):
        return args[0] if operation.name in folded else operation(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=replace, call_function=call)


def _held(compute: Callable[[], tuple]) -> Callable[[], tuple]:
    """``compute``, or what it gives now for good.

    TensorFlow spends most of the time in which it traces a network on folding. A GPU would have to
    be handed what is held, and XLA takes it for constants to be compiled. ONNX has no place for it.
    """
    if keras.backend.backend() != "tensorflow" or gpus():
        return compute
    values = compute()
    return lambda: values


def _as_it_is(compute: Callable[[], tuple]) -> Callable[[], tuple]:
    return compute


def _affine(norm: keras.layers.BatchNormalization):
    """Scale and shift, float32 (c,), that ``norm`` applies in inference."""
    scale = ops.rsqrt(ops.cast(norm.moving_variance, "float32") + norm.epsilon)
    if norm.scale:
        scale = scale * ops.cast(norm.gamma, "float32")
    shift = -ops.cast(norm.moving_mean, "float32") * scale
    return scale, shift + ops.cast(norm.beta, "float32") if norm.center else shift
