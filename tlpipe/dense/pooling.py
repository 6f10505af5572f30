"""Pooling over a window with holes."""

from __future__ import annotations

import functools

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tlpipe")
class DilatedPooling(keras.layers.Layer):
    """Max or mean of every ``dilation``-th place of a window: the pooling Keras has no option for.

    Padded places count for nothing, as in Keras' ``same`` poolings.

    Args:
        mode: ``max`` or ``mean``.
        pool_size: places of the window, down and across.
        dilation: from one place of the window to the next, 1 or more.
        strides: from one window to the next.
        padding: rows before and after, columns before and after.
    """

    def __init__(
        self,
        mode: str,
        pool_size: tuple[int, int],
        dilation: int = 1,
        strides: int = 1,
        padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
        **kwargs,
    ):
        super().__init__(**kwargs)
        if mode not in ("max", "mean"):
            raise ValueError(f"mode is 'max' or 'mean', not {mode!r}")
        self.mode, self.dilation, self.stride = mode, dilation, strides
        self.pool_size = tuple(pool_size)
        self.padding = tuple(tuple(pair) for pair in padding)

    def call(self, x):
        """(b, h, w, c) to (b, h', w', c)."""
        if self.mode == "max":
            return self._gather(x, ops.maximum, -float("inf"))
        total = self._gather(x, ops.add, 0.0)
        if not any(side for pair in self.padding for side in pair):
            return total / (self.pool_size[0] * self.pool_size[1])
        return total / self._gather(ops.ones_like(x[:1, :, :, :1]), ops.add, 0.0)

    def _gather(self, x, join, nothing: float):
        if any(side for pair in self.padding for side in pair):
            x = ops.pad(x, [(0, 0), *self.padding, (0, 0)], constant_values=nothing)
        # A column of rows of a column: fewer shifts than all places of the window.
        for axis, places in enumerate(self.pool_size, start=1):
            shifts = [self._shifted(x, axis, i, places) for i in range(places)]
            x = functools.reduce(join, shifts)
        return x

    def _shifted(self, x, axis: int, place: int, places: int):
        behind = (places - 1 - place) * self.dilation
        part = slice(place * self.dilation, -behind or None, self.stride)
        return x[:, part] if axis == 1 else x[:, :, part]

    def compute_output_shape(self, input_shape):
        """The map's height and width, where the input's are known."""
        sides = []
        for side, places, pair in zip(input_shape[1:3], self.pool_size, self.padding, strict=True):
            if side is not None:
                side += sum(pair) - (places - 1) * self.dilation
                side = -(-side // self.stride)
            sides.append(side)
        return (input_shape[0], *sides, input_shape[3])

    def get_config(self):
        """What rebuilds the layer."""
        return super().get_config() | {
            "mode": self.mode,
            "pool_size": self.pool_size,
            "dilation": self.dilation,
            "strides": self.stride,
            "padding": self.padding,
        }
