"""Spatial pyramid pooling: the maximum in each cell of several grids."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from tlpipe.errors import ConfigError


@keras.saving.register_keras_serializable(package="tlpipe")
class SpatialPyramidPooling(keras.layers.Layer):
    """Spatial pyramid pooling (He, Zhang, Ren & Sun 2014).

    Level n lays an n x n grid over the map and takes the maximum of each cell. Cell i of a side s
    reaches from floor(i s / n) to ceil((i + 1) s / n), so that cells cover the map whatever its
    size; neighbours share a row where n does not divide s.

    (b, h, w, c) to (b, c * sum of n squared): level by level, row by row, channels last.

    Args:
        levels: cells along a side at each level.

    Raises:
        ConfigError: the map is smaller than the finest level, or its size is not known.
    """

    def __init__(self, levels: Sequence[int] = (1, 2, 4), dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.levels = tuple(levels)

    def build(self, input_shape):
        """Checks that every level fits the map."""
        height, width = input_shape[1:3]
        if None in (height, width):
            raise ConfigError(
                "Spatial pyramid pooling needs a feature map of known size.",
                cause=f"the map is {height} x {width} (height x width)",
                todo="give the backbone an input of fixed size, or choose another pooling",
            )
        if max(self.levels) > min(height, width):
            raise ConfigError(
                f"A pyramid with the levels {list(self.levels)} does not fit the feature map.",
                cause=f"the map is {height} x {width}, coarser than a grid of "
                f"{max(self.levels)} x {max(self.levels)}",
                todo="raise --resolution, or leave out the finest level, for example "
                f"--set head.levels={_fitting(self.levels, min(height, width))}",
            )

    def call(self, x):
        """(b, h, w, c) to (b, cells * c)."""
        height, width, channels = x.shape[1:]
        pooled = []
        for level in self.levels:
            rows = [ops.max(x[:, a:b], axis=1) for a, b in _cells(height, level)]
            cells = [ops.max(row[:, a:b], axis=1) for row in rows for a, b in _cells(width, level)]
            pooled += cells
        return ops.reshape(ops.stack(pooled, axis=1), (-1, len(pooled) * channels))

    def get_config(self):
        """The arguments."""
        return {**super().get_config(), "levels": list(self.levels)}


def _cells(side: int, count: int) -> list[tuple[int, int]]:
    """Start and end of each cell along a side of ``side`` places."""
    return [(i * side // count, -(-(i + 1) * side // count)) for i in range(count)]


def _fitting(levels: Sequence[int], side: int) -> str:
    fits = [level for level in levels if level <= side] or [1]
    return ",".join(map(str, fits))
