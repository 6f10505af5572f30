"""The first part of a network: from the picture to one of its tensors, in float32."""

from __future__ import annotations

import keras

from tlpipe.backbones.flatten import flatten
from tlpipe.explain.rectifiers import modify
from tlpipe.training.fast import fast


def up_to(
    model: keras.Model, tensor: keras.KerasTensor, modifier: str | None = None
) -> keras.Model:
    """The network from the picture to ``tensor``, flat and frozen. ``model`` is left as it is.

    Args:
        model: a functional model with one input.
        tensor: one of its tensors.
        modifier: backward pass of the rectifiers: None, ``guided`` or ``relu`` (deconvnet).

    Returns:
        A ``keras.Model``, float32 (b, s, s, channels) with values 0..255 to ``tensor``, float32.

    Raises:
        BackboneError: the modifier is not defined for this part of the network.
    """
    picture = keras.Input(model.inputs[0].shape[1:], dtype="float32", name="picture")
    part = flatten(
        keras.Model(model.inputs[0], tensor),
        start=picture,
        change=lambda layer, config: {**config, "dtype": "float32"},
    )
    if modifier is not None:
        part = modify(part, modifier)
    part.trainable = False
    return fast(part)
