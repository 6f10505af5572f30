"""A network for RGB made one for any number of channels, its pretrained weights kept."""

from __future__ import annotations

import keras
import numpy as np

from tlpipe.backbones.flatten import flatten
from tlpipe.errors import BackboneError

_OURS = "preprocess"


def adapt_channels(model: keras.Model, channels: int, *, pretrained: bool = True) -> keras.Model:
    """``model`` with an input of ``channels`` channels in place of three.

    The rule: every channel is preprocessed with the mean of RGB's scales and offsets, and the
    first convolution gives each the mean over RGB of its kernel, times 3 / channels. So a gray
    picture, the same in every channel, gives what it gave as RGB, but for the differences between
    the three colours' preprocessing; and the responses keep their size.

    Args:
        model: a flat backbone, uint8 RGB (b, size, size, 3) to (b, h, w, c), whose first layer
            with weights is a convolution.
        channels: 1 or more.
        pretrained: whether its weights are worth keeping; else the first convolution stays random.

    Returns:
        A new network, uint8 (b, size, size, channels) to (b, h, w, c).

    Raises:
        BackboneError: the first layer with weights is no ordinary convolution.
    """
    first = next(layer for layer in model.layers if layer.weights)
    if not isinstance(first, keras.layers.Conv2D) or first.groups != 1:
        raise BackboneError(
            f"'{model.name}' can't take {channels} channels.",
            cause=f"its first layer with weights, '{first.name}', is a {type(first).__name__}",
            todo="take another --backbone, such as efficientnet_lite0",
        )
    size = model.input.shape[1:3]
    image = keras.Input((*size, channels), dtype=model.input.dtype, name=model.input.name)
    adapted = flatten(
        model,
        skip=lambda op: type(op).__name__ in ("Flip", "GetItem"),
        start=image,
        change=lambda layer, config: config | (_averaged(layer) if layer.name == _OURS else {}),
        weights=False,
    )
    for layer in model.layers:
        values = layer.get_weights()
        if layer is first and not pretrained:
            continue
        if layer is first:
            mean = values[0].mean(axis=2, keepdims=True) * (3 / channels)
            values[0] = np.repeat(mean, channels, axis=2)
        if values:
            adapted.get_layer(layer.name).set_weights(values)
    return adapted


def _averaged(preprocess: keras.layers.Rescaling) -> dict[str, float]:
    return {
        "scale": float(np.mean(preprocess.scale)),
        "offset": float(np.mean(preprocess.offset)),
    }
