"""Pooling by name. Importing this tells Keras about every layer of tlpipe's heads."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from tlpipe.errors import ConfigError, nearest
from tlpipe.heads.netvlad import NetVLAD
from tlpipe.heads.norms import GeMPooling, L2Pooling
from tlpipe.heads.pyramid import SpatialPyramidPooling

KINDS = ("avg", "max", "both", "l2", "gem", "spp", "netvlad")


def pooled(
    features: keras.KerasTensor,
    kind: str,
    *,
    levels: Sequence[int] = (1, 2, 4),
    clusters: int = 16,
    seed: int = 0,
) -> keras.KerasTensor:
    """A feature map as one vector a picture, by a layer named ``pool`` that computes in float32.

    Args:
        features: (b, h, w, c).
        kind: ``avg`` and ``max``: Keras' own, c values; ``both``: one after the other, 2 c;
            ``l2``: root mean square, c; ``gem``: generalised mean, c; ``spp``: spatial pyramid,
            c * sum of squared levels; ``netvlad``: clusters * c.
        levels: of ``spp``, cells along a side.
        clusters: of ``netvlad``.
        seed: of ``netvlad``'s first weights.

    Raises:
        ConfigError: there is no such kind, or the map is too small for the levels.
    """
    how = {"name": "pool", "dtype": "float32"}
    if kind == "both":
        average = keras.layers.GlobalAveragePooling2D(name="pool_average", dtype="float32")
        largest = keras.layers.GlobalMaxPooling2D(name="pool_max", dtype="float32")
        return keras.layers.Concatenate(**how)([average(features), largest(features)])
    layers = {
        "avg": lambda: keras.layers.GlobalAveragePooling2D(**how),
        "max": lambda: keras.layers.GlobalMaxPooling2D(**how),
        "l2": lambda: L2Pooling(**how),
        "gem": lambda: GeMPooling(**how),
        "spp": lambda: SpatialPyramidPooling(levels, **how),
        "netvlad": lambda: NetVLAD(clusters, seed, **how),
    }
    if kind not in layers:
        raise ConfigError(f"There is no pooling '{kind}'.", todo=nearest(kind, KINDS))
    return layers[kind]()(features)
