"""Backbone and head as one flat graph, and the graph in two at a freeze boundary."""

from __future__ import annotations

from dataclasses import dataclass

import keras


def add_head(backbone: keras.Model, classes: int, *, dropout: float, seed: int) -> keras.Model:
    """``backbone`` with average pooling, dropout and a dense layer on its last feature map.

    Args:
        backbone: image, uint8 (b, h, w, 3), to feature map (b, h', w', c).
        classes: how many logits come out; 2 or more.
        dropout: share of the pooled features dropped in training, 0 to 1.
        seed: of the dense layer's first weights and of the dropout.

    Returns:
        Image to logits, float32 (b, classes), whatever the precision of the backbone.
    """
    x = keras.layers.GlobalAveragePooling2D(name="pool", dtype="float32")(backbone.output)
    x = keras.layers.Dropout(dropout, seed=seed, name="dropout", dtype="float32")(x)
    logits = keras.layers.Dense(
        classes,
        name="logits",
        dtype="float32",
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
    )(x)
    return keras.Model(backbone.input, logits, name="tlpipe")


def with_probabilities(model: keras.Model) -> keras.Model:
    """Image to class probabilities, float32 (b, classes): the model that is saved."""
    softmax = keras.layers.Softmax(name="probabilities", dtype="float32")
    return keras.Model(model.input, softmax(model.output), name=model.name)


@dataclass(frozen=True)
class Cut:
    """A network in two: ``prefix`` is frozen, ``suffix`` is trained.

    ``prefix`` is None when the boundary is the picture itself. The two share their layers with
    ``whole``, so training the suffix trains the whole.
    """

    whole: keras.Model
    prefix: keras.Model | None
    suffix: keras.Model


def cut(whole: keras.Model, tensor: keras.KerasTensor, *, batch_norm: bool = False) -> Cut:
    """Cuts ``whole`` at ``tensor`` and freezes what must not train.

    Everything in front of the tensor is frozen, and so is every BatchNorm behind it unless
    ``batch_norm`` is set: a frozen BatchNorm runs in inference mode.
    """
    prefix = None if tensor is whole.input else keras.Model(whole.input, tensor)
    suffix = keras.Model(tensor, whole.output)
    behind = {id(layer) for layer in suffix.layers}
    for layer in whole.layers:
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = id(layer) in behind and (batch_norm or not normalises)
    return Cut(whole, prefix, suffix)


def pooled(whole: keras.Model) -> keras.KerasTensor:
    """The tensor between pooling and head: the freeze boundary of step two."""
    return whole.get_layer("pool").output
