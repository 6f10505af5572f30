"""A classifier's head as convolutions: what it does to one map, done to every window of a larger.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation" (2015),
section 3.1; before them Sermanet et al., "OverFeat" (2014), section 3.5.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from tlpipe.backbones.graph import Step
from tlpipe.dense.window import WindowConv2D
from tlpipe.errors import BackboneError

# In inference they do nothing.
_IDLE = (
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.AlphaDropout,
    layers.ActivityRegularization,
)
_POINTWISE = (
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.ELU,
    layers.Identity,
    layers.Rescaling,
)
_ON_CHANNELS = (
    layers.Softmax,
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.UnitNormalization,
    layers.Add,
    layers.Subtract,
    layers.Multiply,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
    layers.Concatenate,
)
_WINDOW_POOLING = {
    layers.GlobalAveragePooling2D: layers.AveragePooling2D,
    layers.GlobalMaxPooling2D: layers.MaxPooling2D,
}
_MAP, _VECTOR = "map", "vector"


class Head:
    """Converts the steps behind the last feature map, in their order.

    Each tensor of the classifier is a map (h, w, c) still to be looked at in windows, a flattened
    map, or a vector: the two last are (rows, columns, channels) in the new network, a window each.
    A flattened map is noted by its shape, for the Dense behind it.

    Args:
        features: the classifier's last feature map.
    """

    def __init__(self, features: keras.KerasTensor):
        self._kinds: dict[int, str | tuple[int, ...]] = {id(features): _MAP}
        self._made: dict[tuple, keras.Layer] = {}

    def __call__(self, step: Step, args: tuple, kwargs: dict) -> Any:
        """The new outputs of a step. Raises BackboneError when it has no such form."""
        kinds = {self._kinds[id(tensor)] for tensor in step.inputs}
        if len(kinds) != 1:
            raise _no_form(step, "it joins a map with what was pooled from it")
        (kind,) = kinds
        layer = step.operation
        shape = tuple(step.inputs[0].shape[1:])
        if isinstance(layer, _IDLE):
            after, result = kind, args[0]
        elif kind == _MAP:
            after, result = self._on_map(step, shape, args, kwargs)
        elif type(layer) is layers.Dense:
            window = kind if isinstance(kind, tuple) else (1, 1, shape[-1])
            after, result = _VECTOR, self._convolution(layer, window)(args[0])
        elif isinstance(layer, _POINTWISE):
            after, result = kind, self._copy(layer)(*args, **kwargs)
        elif kind == _VECTOR:
            after, result = _VECTOR, self._on_vector(step, shape, args, kwargs)
        else:
            raise _no_form(step, "it stands between Flatten and Dense")
        self._kinds.update((id(tensor), after) for tensor in step.outputs)
        return result

    def _on_map(self, step: Step, shape: tuple, args: tuple, kwargs: dict) -> tuple:
        layer = step.operation
        if pooling := _WINDOW_POOLING.get(type(layer)):
            windows = pooling(shape[:2], strides=1, name=layer.name, dtype=layer.dtype_policy)
            return _VECTOR, windows(args[0])
        after = tuple(step.outputs[0].shape[1:])
        flattens = isinstance(layer, layers.Flatten | layers.Reshape) and len(after) == 1
        if flattens:
            # Nothing to gather from a window of one place.
            return (_VECTOR if shape[:2] == (1, 1) else shape), args[0]
        if isinstance(layer, _POINTWISE + _ON_CHANNELS) and after[:2] == shape[:2]:
            return _MAP, layer(*args, **kwargs)
        raise _no_form(step)

    def _on_vector(self, step: Step, shape: tuple, args: tuple, kwargs: dict) -> Any:
        layer = step.operation
        after = tuple(step.outputs[0].shape[1:])
        if isinstance(layer, _ON_CHANNELS):
            return self._copy(layer)(*args, **kwargs)
        if isinstance(layer, layers.Flatten | layers.Reshape) and after[-1] == shape[-1]:
            return args[0]
        if type(layer) is layers.Conv2D and layer.kernel_size == layer.strides == (1, 1):
            return layer(*args, **kwargs)
        raise _no_form(step)

    def _convolution(self, dense: layers.Dense, window: tuple[int, ...]) -> layers.Conv2D:
        if (id(dense), window) not in self._made:
            kind = layers.Conv2D if window[:2] == (1, 1) else WindowConv2D
            layer = kind(
                dense.units,
                window[:2],
                activation=dense.activation,
                use_bias=dense.use_bias,
                # The weights are replaced below: drawing 100 million would only take time.
                kernel_initializer="zeros",
                name=dense.name,
                dtype=dense.dtype_policy,
            )
            layer.build((None, None, None, window[2]))
            kernel = ops.convert_to_numpy(dense.kernel).reshape(*window, dense.units)
            bias = [ops.convert_to_numpy(dense.bias)] if dense.use_bias else []
            layer.set_weights([kernel, *bias])
            self._made[id(dense), window] = layer
        return self._made[id(dense), window]

    def _copy(self, layer: keras.Layer) -> keras.Layer:
        """The same layer for four axes: many remember that they were built for two."""
        if (id(layer),) not in self._made:
            config = layer.get_config()
            if config.get("axis") in (1, [1], (1,)):
                config["axis"] = -1
            copy = type(layer).from_config(config)
            if weights := layer.get_weights():
                copy.build((None, None, None, layer.input.shape[-1]))
                copy.set_weights(weights)
            self._made[id(layer),] = copy
        return self._made[id(layer),]


def _no_form(step: Step, cause: str | None = None) -> BackboneError:
    operation = step.operation
    return BackboneError(
        f"'{operation.name}' ({type(operation).__name__}) has no form as a convolution.",
        cause=cause
        or "the head may have global average or max pooling, Flatten, Dense, dropout,"
        " normalisation, activations and sums",
        todo="predict without --dense, or train with average pooling",
    )
