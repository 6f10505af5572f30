"""A finer map from the same weights: the last strides turned into dilation.

Chen et al., "DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution,
and Fully Connected CRFs" (2017), section 3.1, https://arxiv.org/abs/1606.00915.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
from keras import layers

from tlpipe.backbones.graph import Step
from tlpipe.dense.convolutions import check_map
from tlpipe.dense.network import DenseNetwork
from tlpipe.dense.pooling import DilatedPooling
from tlpipe.dense.retrace import again, retrace, shapes_at
from tlpipe.dense.strides import CONVOLUTIONS, POOLINGS, jumps, stride_of
from tlpipe.errors import BackboneError

_MARGINS = {layers.ZeroPadding2D: "padding", layers.Cropping2D: "cropping"}


def output_stride(dense: DenseNetwork, stride: int) -> DenseNetwork:
    """The network with ``stride`` pixels from one window to the next.

    A layer whose stride would go beyond ``stride`` keeps every place it skipped, and what comes
    behind it, poolings of the head included, takes only every second (fourth, ...) place, which is
    what it took before. So every second (fourth, ...) score of the finer map is the coarse map's,
    but for rounding: the padding of a strided layer is written out, because the backend's "same"
    would be another one without the stride, and would shift the map. What lies between is the same
    network on windows that begin between: exactly so without padding, nearly so with it.

    Args:
        dense: from ``to_convolutions``.
        stride: pixels; one that the network itself reaches on the way (32, 16, 8, 4, 2, 1).

    Raises:
        BackboneError: the network has no such stride, or a layer can't be dilated.
    """
    if stride == dense.stride:
        return dense
    model = dense.model
    jump = jumps(model)
    known = sorted(set(jump.values()), reverse=True)
    if stride not in known or dense.stride != dense.grid:
        raise BackboneError(
            f"The network can't give a map with the stride {stride}.",
            cause=f"its layers have the strides {', '.join(map(str, known))}"
            + ("" if dense.stride == dense.grid else ", and it is dilated already"),
            todo=f"--output-stride with one of {', '.join(map(str, known))}",
        )
    before = shapes_at(model, dense.size)

    def call(step: Step, args: tuple, kwargs: dict) -> Any:
        if not step.inputs:
            return again(step, args, kwargs)
        inside, outside = (
            max(1, max(jump[id(t)] for t in tensors) // stride)
            for tensors in (step.inputs, step.outputs)
        )
        here = stride_of(step)
        return _dilated(
            step, args, kwargs, inside, here * inside // outside, before[id(step.inputs[0])][1:3]
        )

    entry = model.inputs[0]
    image = keras.Input(entry.shape[1:], dtype=entry.dtype, name=entry.name)
    scores = retrace(model, image, call, f"having the stride {stride}")[id(model.outputs[0])]
    scores = _inside_the_picture(keras.Model(image, scores), dense.size)
    finer = keras.Model(image, scores, name=model.name)
    check_map(finer, dense.size, stride)
    return replace(dense, model=finer, stride=stride)


def _dilated(
    step: Step, args: tuple, kwargs: dict, dilation: int, stride: int, shape: tuple[int, ...]
) -> Any:
    """A step on a map ``dilation`` times finer than the ``shape`` that it was trained on."""
    layer = step.operation
    if dilation == 1 and stride == stride_of(step):
        return again(step, args, kwargs)
    if type(layer) in _MARGINS:
        key = _MARGINS[type(layer)]
        config = layer.get_config()
        config[key] = [[side * dilation for side in pair] for pair in getattr(layer, key)]
        return type(layer).from_config(config)(args[0])
    if isinstance(layer, CONVOLUTIONS):
        if layer.kernel_size == (1, 1) and stride == stride_of(step):
            return again(step, args, kwargs)
        return _convolution(layer, dilation, stride, _margins(layer, layer.kernel_size, shape))(
            args[0]
        )
    if isinstance(layer, POOLINGS):
        margins = _margins(layer, layer.pool_size, shape)
        return DilatedPooling(
            "max" if isinstance(layer, layers.MaxPooling2D) else "mean",
            layer.pool_size,
            dilation,
            stride,
            [[side * dilation for side in pair] for pair in margins],
            name=layer.name,
            dtype=layer.dtype_policy,
        )(args[0])
    if hasattr(layer, "kernel_size") or hasattr(layer, "pool_size"):
        raise BackboneError(
            f"'{layer.name}' ({type(layer).__name__}) can't be dilated.",
            todo="leave --output-stride out",
        )
    return again(step, args, kwargs)


def _margins(layer: keras.Layer, window: tuple[int, ...], shape: tuple[int, ...]) -> list:
    """Zeros before and after that make the trained padding, dilation of the layer included.

    Those after are as many as a stride of 1 needs; a strided layer leaves some out.
    """
    if layer.padding == "valid":
        return [(0, 0), (0, 0)]
    found = []
    rates = getattr(layer, "dilation_rate", (1, 1))
    for side, places, rate, stride in zip(shape, window, rates, layer.strides, strict=True):
        reach = (places - 1) * rate
        before = max((-(-side // stride) - 1) * stride + reach + 1 - side, 0) // 2
        found.append((before, reach - before))
    return found


def _convolution(layer: keras.Layer, dilation: int, stride: int, margins: list):
    """The layer's dilated copy, as a function of its input, with its weights."""
    even = all(before == after for before, after in margins)
    same = layer.padding == "same" and even and stride == 1
    config = layer.get_config() | {
        "strides": (stride, stride),
        "dilation_rate": tuple(rate * dilation for rate in layer.dilation_rate),
        "padding": "same" if same else "valid",
    }
    copy = type(layer).from_config(config)

    def call(x):
        if not same and any(side for pair in margins for side in pair):
            padding = [[side * dilation for side in pair] for pair in margins]
            x = layers.ZeroPadding2D(padding, name=f"{layer.name}_margin", dtype=x.dtype)(x)
        y = copy(x)
        copy.set_weights(layer.get_weights())
        return y

    return call


def _inside_the_picture(model: keras.Model, size: tuple[int, int]) -> keras.KerasTensor:
    """The map without the last places, whose windows would reach out of the picture."""
    rows, columns = shapes_at(model, size)[id(model.outputs[0])][1:3]
    if (rows, columns) == (1, 1):
        return model.outputs[0]
    crop = layers.Cropping2D(((0, rows - 1), (0, columns - 1)), name="inside", dtype="float32")
    return crop(model.outputs[0])
