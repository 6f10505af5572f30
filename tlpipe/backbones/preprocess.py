"""From pixels to what a network was trained on, as one layer inside the model."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from tlpipe.backbones.registry import Preprocessing

# ImageNet's, of RGB in 0..1.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_SCALE_AND_OFFSET = {
    "caffe": (1.0, [-103.939, -116.779, -123.68]),
    "tf": (1 / 127.5, -1.0),
    "unit128": (1 / 128, -1.0),
    "torch": (
        [1 / (255 * d) for d in DEVIATION],
        [-m / d for m, d in zip(MEAN, DEVIATION, strict=True)],
    ),
}


def preprocess(image: keras.KerasTensor, kind: Preprocessing) -> keras.KerasTensor:
    """RGB 0..255, uint8 (b, h, w, 3), to float32 of the same shape; see ``Spec.preprocessing``."""
    scale, offset = _SCALE_AND_OFFSET[kind]
    return rescale(keras.ops.flip(image, axis=-1) if kind == "caffe" else image, scale, offset)


def rescale(
    image: keras.KerasTensor,
    scale: float | Sequence[float] = 1.0,
    offset: float | Sequence[float] = 0.0,
    name: str = "preprocess",
) -> keras.KerasTensor:
    """image * scale + offset, each a number or one a channel, in float32 under any policy."""
    return keras.layers.Rescaling(scale, offset, dtype="float32", name=name)(image)
