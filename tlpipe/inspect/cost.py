"""What a call costs: multiply-adds, and the numbers that the way back must keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras

from tlpipe.inspect.calls import Call, Tensor

# These hand on the tensor they are given; outside of training Dropout does too.
_SAME_NAMES = """
ActivityRegularization AlphaDropout Dropout Flatten GaussianDropout GaussianNoise Identity
InputLayer Reshape SpatialDropout2D StochasticDepth
"""
_SAME_TENSOR = frozenset(_SAME_NAMES.split())
_KERNELS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Conv2DTranspose)
_NORMS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)
# Their gradient is computed from what comes out, ...
_FROM_OUTPUT = frozenset({"relu", "relu6", "sigmoid", "tanh", "softmax", "exp", "rsqrt", "sqrt"})
# ... needs nothing, ...
_FROM_NOTHING = frozenset({"linear", ""})
# ... or is made of several steps, each of which keeps a tensor of the same size.
_STEPS = {"gelu": 4, "hard_silu": 2, "hard_swish": 2, "hard_sigmoid": 1}
_ACTIVATION_LAYERS = {
    "ReLU": "relu",
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "Tanh": "tanh",
}


def makes_tensor(call: Call) -> bool:
    """Whether the call fills memory of its own with floating-point numbers.

    Reshaping and, in inference, Dropout make nothing new; the picture counts where it is given as
    floating point, and otherwise where it first becomes so.
    """
    floating = "float" in call.outputs[0].dtype
    same = type(call.operation).__name__ in _SAME_TENSOR and bool(call.inputs)
    return floating and not same


def multiply_adds(call: Call) -> int:
    """Multiplications of convolutions and dense layers for one picture; all others count 0."""
    layer, output = call.operation, call.outputs[0]
    positions = math.prod(n or 1 for n in output.shape[:-1])
    if isinstance(layer, keras.layers.SeparableConv2D):
        return positions * (_size(layer.depthwise_kernel) + _size(layer.pointwise_kernel))
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return math.prod(n or 1 for n in call.inputs[0].shape[:-1]) * _size(layer.kernel)
    if isinstance(layer, (*_KERNELS, keras.layers.Dense)):
        return positions * _size(layer.kernel)
    return 0


def kernel_weights(layer: object) -> int:
    """Weights without biases, statistics and the like: those with two axes or more."""
    if not isinstance(layer, keras.Layer):
        return 0
    return sum(_size(w) for w in layer.weights if len(w.shape) > 1)


@dataclass(frozen=True)
class Kept:
    """What one call needs on the way back.

    Attributes:
        tensors: inputs and outputs of the call.
        extra: further numbers, made inside the call.
    """

    tensors: tuple[Tensor, ...] = ()
    extra: int = 0


def kept_for_backward(call: Call, trains: bool, reached: bool) -> Kept:
    """What must stay in memory for the gradients of this call.

    Args:
        call: the call.
        trains: whether its own weights train.
        reached: whether a gradient has to go on to what is in front of it.
    """
    layer, kind = call.operation, type(call.operation).__name__
    if not (trains or reached):
        return Kept()
    ins, outs = call.inputs, call.outputs
    if isinstance(layer, keras.layers.SeparableConv2D):
        between = ins[0].shape[-1] * layer.depth_multiplier * math.prod(outs[0].shape[:-1])
        return _with_activation(layer, ins if trains else (), outs, between if trains else 0)
    if isinstance(layer, (*_KERNELS, keras.layers.Dense)):
        return _with_activation(layer, ins if trains else (), outs, 0)
    if isinstance(layer, keras.layers.BatchNormalization) and not trains:
        return Kept()
    if isinstance(layer, _NORMS) or (trains and layer.weights):
        return Kept(ins)
    if isinstance(layer, keras.layers.MaxPooling2D):
        return Kept(ins + outs)
    if kind in ("Multiply", "Divide", "Maximum", "Minimum"):
        return Kept(ins)
    if kind == "Activation":
        return _activation(_name(layer.activation), ins, outs)
    if kind in _ACTIVATION_LAYERS:
        return _activation(_ACTIVATION_LAYERS[kind], ins, outs)
    if kind.lower() in ("silu", "gelu", "leakyrelu", "elu", "prelu", "square", "power", "log"):
        return _activation(kind.lower(), ins, outs)
    return Kept()


def _with_activation(layer, tensors: tuple, outs: tuple[Tensor, ...], extra: int) -> Kept:
    # What the activation starts from is made inside the layer.
    inside = Tensor(outs[0].shape, outs[0].dtype)
    found = _activation(_name(layer.activation), (inside,), outs)
    after = tuple(t for t in found.tensors if t is not inside)
    hidden = inside.numbers if inside in found.tensors else 0
    return Kept(tensors + after, extra + hidden + found.extra)


def _activation(name: str, ins: tuple[Tensor, ...], outs: tuple[Tensor, ...]) -> Kept:
    if name in _FROM_NOTHING:
        return Kept()
    if name in _FROM_OUTPUT:
        return Kept(outs)
    return Kept(ins, _STEPS.get(name, 0) * outs[0].numbers)


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__).lower() if function else ""


def _size(variable) -> int:
    return math.prod(variable.shape)
