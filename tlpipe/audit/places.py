"""Blocks and units of a network by name, and which pixels a unit sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras

from tlpipe.backbones.blocks import find_blocks
from tlpipe.errors import BackboneError, ConfigError, nearest
from tlpipe.inspect.examine import examine
from tlpipe.inspect.head import backbone_end


@dataclass(frozen=True)
class Field:
    """What a place of a feature map sees.

    Attributes:
        size: rows and columns of pixels; None where it is not known, or the whole picture.
        jump: pixels from one place to the next; None likewise.
        centre: of the first place's field; pixel 0 lies at 0; None likewise.
        whole: some path sees everything, such as squeeze and excitation.
    """

    size: tuple[float, float] | None
    jump: tuple[float, float] | None
    centre: tuple[float, float] | None
    whole: bool


def block_tensor(model: keras.Model, name: str) -> keras.KerasTensor:
    """The last tensor, (b, h, w, c), of a block as ``tlpipe inspect --blocks`` names it.

    Args:
        model: a run's network, flat, with its head.
        name: of the block.

    Raises:
        BackboneError: no such block, or it has no feature maps.
    """
    body = keras.Model(model.inputs[0], backbone_end(model))
    tensors = {block.name: block.output for block in find_blocks(body)}
    if name not in tensors and name != "head":
        raise BackboneError(
            f"There is no block '{name}'.",
            cause=f"the blocks from input to output: {', '.join(tensors)}",
            todo=nearest(name, tensors),
        )
    if name == "head" or len(tensors[name].shape) != 4:
        raise BackboneError(
            f"The block '{name}' has no feature maps.",
            cause="what it makes has no rows and columns",
            todo=f"choose one of: {', '.join(n for n, t in tensors.items() if len(t.shape) == 4)}",
        )
    return tensors[name]


def unit_tensor(model: keras.Model, text: str) -> tuple[keras.KerasTensor, str, int]:
    """A block's last tensor, the block's name and the channel of ``BLOCK:CHANNEL``.

    Raises:
        ConfigError: it is not of this form.
        BackboneError: no such block or channel, or the block has no feature maps.
    """
    block, _, channel = text.rpartition(":")
    if not block or not channel.isascii() or not channel.isdigit():
        raise ConfigError(
            f"'{text}' does not name a unit.",
            todo="--unit BLOCK:CHANNEL, as block3:0; `tlpipe inspect RUN` lists the blocks",
        )
    tensor = block_tensor(model, block)
    if int(channel) >= tensor.shape[-1]:
        raise BackboneError(
            f"The block '{block}' has no channel {channel}.",
            todo=f"choose one from 0 to {tensor.shape[-1] - 1}",
        )
    return tensor, block, int(channel)


def field_of(model: keras.Model, tensor: keras.KerasTensor) -> Field:
    """What the places of a feature map see."""
    row = examine(keras.Model(model.inputs[0], tensor)).layers[-1]
    return Field(row.field, row.jump, row.centre, row.whole)


def box(field: Field, place: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    """The pixels that a place sees, cut off at the picture's edge.

    Args:
        field: of the feature map.
        place: its row and column.
        side: of the square picture.

    Returns:
        Top, left, bottom and right, the last two not included; the whole picture where the field
        is not known.
    """
    if field.size is None:
        return 0, 0, side, side
    edges = []
    for size, jump, centre, at in zip(field.size, field.jump, field.centre, place, strict=True):
        middle, reach = centre + at * jump, (size - 1) / 2
        low = min(max(math.floor(middle - reach), 0), side - 1)
        edges.append((low, min(max(math.ceil(middle + reach) + 1, low + 1), side)))
    (top, bottom), (left, right) = edges
    return top, left, bottom, right
