"""Backbone and head as one flat graph, and the graph in two at a freeze boundary."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from tlpipe.config.settings import Head
from tlpipe.errors import BackboneError, one_line
from tlpipe.heads import pooling


def add_head(
    backbone: keras.Model,
    outputs: int,
    settings: Head,
    *,
    seed: int,
    zero: bool = False,
) -> keras.Model:
    """``backbone`` with a head on its last feature map: pooling, hidden layers, logits.

    Dropout stands in front of every dense layer. The penalties ``l1`` and ``l2`` weigh the kernels
    of the dense layers; Keras adds them to the loss that training reports, not to that of
    validation.

    Args:
        backbone: image, uint8 (b, h, w, channels), to feature map (b, h', w', c).
        outputs: how many logits come out.
        settings: pooling, hidden layers, dropout and penalties.
        seed: of the head's first weights and of the dropout.
        zero: the weights of the last layer start at zero.

    Returns:
        Image to logits, float32 (b, outputs), whatever the precision of the backbone.

    Raises:
        ConfigError: the feature map is too small for the levels of a spatial pyramid.
    """
    x = pooling.pooled(
        backbone.output,
        settings.pool,
        levels=settings.levels,
        clusters=settings.clusters,
        seed=seed,
    )
    penalty = None
    if settings.l1 or settings.l2:
        penalty = keras.regularizers.L1L2(settings.l1, settings.l2)
    for i, units in enumerate([*settings.hidden, outputs]):
        last = i == len(settings.hidden)
        name = "logits" if last else f"hidden{i + 1}"
        x = keras.layers.Dropout(
            settings.dropout,
            seed=seed + i,
            name="dropout" if last else f"{name}_dropout",
            dtype="float32",
        )(x)
        x = keras.layers.Dense(
            units,
            name=name,
            dtype="float32",
            activation=None if last else "relu",
            kernel_initializer="zeros"
            if last and zero
            else keras.initializers.GlorotUniform(seed=seed + i),
            kernel_regularizer=penalty,
        )(x)
    return keras.Model(backbone.input, x, name="tlpipe")


def with_answers(model: keras.Model, last: keras.layers.Layer) -> keras.Model:
    """Image to what ``last`` makes of the logits, float32 (b, outputs): the model that is saved."""
    return keras.Model(model.input, last(model.output), name=model.name)


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

    Raises:
        BackboneError: a layer with weights is used on both sides.
    """
    prefix, suffix = halves(whole, tensor)
    behind = {id(layer) for layer in suffix.layers}
    for layer in whole.layers:
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = id(layer) in behind and (batch_norm or not normalises)
    return Cut(whole, prefix, suffix)


def halves(whole: keras.Model, tensor: keras.KerasTensor) -> tuple[keras.Model | None, keras.Model]:
    """What stands in front of ``tensor`` (None: nothing) and behind it; they share its layers.

    Raises:
        BackboneError: a layer with weights is used on both sides.
    """
    todo = "unfreeze fewer blocks, or more (--unfreeze all)"
    try:
        suffix = keras.Model(tensor, whole.output)
    except ValueError as error:
        # So it is where the very layer whose output the tensor is comes again behind it.
        raise BackboneError(
            "The network can't be cut at this freeze boundary.", cause=one_line(error), todo=todo
        ) from error
    if tensor is whole.input:
        return None, suffix
    prefix = keras.Model(whole.input, tensor)
    behind = {id(layer) for layer in suffix.layers}
    shared = [layer.name for layer in prefix.layers if layer.weights and id(layer) in behind]
    if shared:
        raise BackboneError(
            f"The layer '{shared[0]}' is used on both sides of the freeze boundary.",
            cause="it would have to be frozen and trained at once",
            todo=todo,
        )
    return prefix, suffix


def head_boundary(whole: keras.Model) -> keras.KerasTensor:
    """The freeze boundary of step two: everything behind it that has weights is the head's.

    Behind the pooling, which makes the activations few; in front of it where it learns too.
    """
    pool = whole.get_layer("pool")
    return pool.input if pool.weights else pool.output
