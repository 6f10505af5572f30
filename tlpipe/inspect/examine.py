"""A network in figures: a row a layer, a row a block, and the totals."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import keras

from tlpipe.backbones.blocks import find_blocks
from tlpipe.errors import BackboneError
from tlpipe.inspect.calls import Call, Tensor, flat_calls
from tlpipe.inspect.cost import kernel_weights, makes_tensor, multiply_adds
from tlpipe.inspect.field import View
from tlpipe.inspect.head import backbone_end
from tlpipe.inspect.memory import FLOAT, Memory, estimate
from tlpipe.inspect.rules import see

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """A layer or a block; figures are for one picture, shapes without the batch.

    Attributes:
        name, kind: of the layer; for a block its name and ``block``.
        output_shape: of what comes out last.
        parameters: all weights; a layer that is called twice has them in its first row.
        kernel_weights: those that multiply; biases and statistics left out.
        trainable: how many of the parameters train.
        multiply_adds: of convolutions and dense layers.
        activations: numbers of the tensors that are made.
        activation_bytes: the same in bytes, float32.
        kept_bytes: those that training must keep for the way back.
        field: rows and columns of pixels that a position sees; None: not known, or the whole
            picture. Where ``whole`` is true too, without the paths that see everything.
        whole: some path sees everything, such as global pooling.
        jump: pixels from one position to the next.
        centre: of the field of the first position; pixel 0 lies at 0.
        unknown_from: the layer from which on the field can't be told; empty when it can.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    parameters: int
    kernel_weights: int
    trainable: int
    multiply_adds: int
    activations: int
    activation_bytes: int
    kept_bytes: int
    field: tuple[float, float] | None
    whole: bool
    jump: tuple[float, float] | None
    centre: tuple[float, float] | None
    unknown_from: str


@dataclass(frozen=True)
class Note:
    """Something that does not fit: in which layer, and what."""

    layer: str
    text: str


@dataclass(frozen=True)
class Examination:
    """What :func:`examine` found.

    Attributes:
        name: of the network.
        input_shape: of one picture.
        layers, blocks: rows from input to output.
        totals: ``parameters``, ``trainable``, ``multiply_adds``, ``activations``,
            ``activation_bytes`` and ``kept_bytes`` of all rows together.
        notes: what does not fit.
        memory: the estimate that ``--memory`` answers from.
    """

    name: str
    input_shape: tuple[int, ...]
    layers: tuple[Row, ...]
    blocks: tuple[Row, ...]
    totals: dict[str, int]
    notes: tuple[Note, ...]
    memory: Memory

    def as_json(self) -> dict[str, Any]:
        """Plain values; ``schema`` grows when a key is taken away or changes its meaning."""
        memory = asdict(self.memory)
        del memory["kept"]
        return {"schema": SCHEMA, **asdict(self), "memory": memory}


def examine(model: keras.Model, name: str | None = None) -> Examination:
    """Works out what every layer and block of a network costs and sees. Computes no picture.

    Args:
        model: a functional model on pictures (height, width, channels) of fixed size, with or
            without its head, of which the trainable flags are taken as they are.
        name: what to call it; its own name when None.

    Raises:
        BackboneError: the size of the input is not fixed.
    """
    name = name or model.name
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) != 3 or None in shape[:2]:
        raise BackboneError(
            f"'{name}' can't be examined as it is.",
            cause=f"its input is {shape}, not pictures of a fixed size",
            todo="give the size of the pictures with --size 224",
        )
    calls = flat_calls(model)
    memory = estimate(model, calls)
    views: dict[Tensor, View] = {}
    rows, notes, counted = [], [], set()
    for call in calls:
        view = View.of_picture(*shape[:2])
        if call.inputs:
            view, said = see(call, [views[t] for t in call.inputs])
            notes += [Note(call.name, text) for text in said]
        views.update(dict.fromkeys(call.outputs, view))
        rows.append(_row(call, view, memory, first=id(call.operation) not in counted))
        counted.add(id(call.operation))
    blocks = tuple(_blocks(model, calls, rows))
    return Examination(name, shape, tuple(rows), blocks, _totals(rows), tuple(notes), memory)


def _row(call: Call, view: View, memory: Memory, first: bool) -> Row:
    layer = call.operation
    weighs = isinstance(layer, keras.Layer) and first
    numbers = sum(t.numbers for t in call.outputs) if makes_tensor(call) else 0
    axes = view.axes
    return Row(
        name=call.name,
        kind=type(layer).__name__,
        output_shape=call.outputs[-1].shape,
        parameters=layer.count_params() if weighs else 0,
        kernel_weights=kernel_weights(layer) if weighs else 0,
        trainable=_size(layer.trainable_weights) if weighs else 0,
        multiply_adds=multiply_adds(call),
        activations=numbers,
        activation_bytes=FLOAT * numbers,
        kept_bytes=memory.kept.get(call.name, 0),
        field=axes and tuple(_plain(axis.size) for axis in axes),
        whole=view.whole,
        jump=axes and tuple(_plain(axis.jump) for axis in axes),
        centre=axes and tuple(_plain(axis.centre) for axis in axes),
        unknown_from=view.unknown,
    )


def _blocks(model: keras.Model, calls: list[Call], rows: list[Row]) -> list[Row]:
    """The rows of each block as one; what comes behind the last feature map is the ``head``."""
    of_layer: dict[str, str] = {}
    if len(model.inputs) == len(model.outputs) == 1:
        end = backbone_end(model)
        body = model if end is model.outputs[0] else keras.Model(model.inputs[0], end)
        of_layer = {layer: block.name for block in find_blocks(body) for layer in block.layers}
    groups: dict[str, list[Row]] = {}
    last = ""
    for call, row in zip(calls, rows, strict=True):
        # An operation that is no layer goes with what is in front of it.
        is_layer = isinstance(call.operation, keras.Layer)
        last = of_layer.get(call.outer, "head" if is_layer or not last else last)
        groups.setdefault(last if of_layer else "network", []).append(row)
    return [_block(name, members) for name, members in groups.items()]


def _block(name: str, rows: list[Row]) -> Row:
    end = rows[-1]
    sums = {**_totals(rows), "kernel_weights": sum(row.kernel_weights for row in rows)}
    same = ("output_shape", "field", "whole", "jump", "centre", "unknown_from")
    return Row(name=name, kind="block", **sums, **{key: getattr(end, key) for key in same})


def _totals(rows: list[Row]) -> dict[str, int]:
    keys = ("parameters", "trainable", "multiply_adds", "activations", "activation_bytes")
    return {key: sum(getattr(row, key) for row in rows) for key in (*keys, "kept_bytes")}


def _size(weights) -> int:
    return sum(math.prod(w.shape) for w in weights)


def _plain(number: Fraction) -> float:
    return int(number) if number.denominator == 1 else float(number)
