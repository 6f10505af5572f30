"""A network as one flat list of calls: models inside the model are opened up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tlpipe.backbones.graph import steps


@dataclass(frozen=True, eq=False)
class Tensor:
    """What a call makes; two are equal only when they are the same one.

    Attributes:
        shape: without the batch; None where it is not fixed.
        dtype: its name.
    """

    shape: tuple[int | None, ...]
    dtype: str

    @property
    def numbers(self) -> int:
        """How many numbers a picture has here; an axis that is not fixed counts once."""
        return math.prod(n or 1 for n in self.shape)


@dataclass(frozen=True)
class Call:
    """One operation at the moment it is called.

    Attributes:
        operation: a layer or an operation of ``keras.ops``.
        name: unique in the list; a part of a nested model has the model's name in front.
        outer: the layer of the whole model that it belongs to.
        inputs, outputs: its tensors.
        arguments: further positional arguments, as of ``x[key]``.
    """

    operation: Any
    name: str
    outer: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    arguments: tuple[Any, ...] = ()


def flat_calls(model: keras.Model) -> list[Call]:
    """The calls that lead to the model's outputs, each after all it needs.

    Args:
        model: a functional model or a built Sequential.
    """
    found: list[Call] = []
    _expand(model, None, "", "", found)
    return found


def _expand(
    model: keras.Model, given: Sequence[Tensor] | None, path: str, outer: str, found: list[Call]
) -> list[Tensor]:
    made: dict[int, Tensor] = {}
    if given is not None:
        made = {id(t): g for t, g in zip(model.inputs, given, strict=True)}
    for step in steps(model):
        if all(id(t) in made for t in step.outputs):
            # The inner model's input layer: its tensor is the one it is called on.
            continue
        operation = step.operation
        inputs = tuple(made[id(t)] for t in step.inputs)
        name, belongs = path + operation.name, outer or operation.name
        if isinstance(operation, keras.Model) and getattr(operation, "inputs", None):
            outputs = _expand(operation, inputs, f"{name}/", belongs, found)
        else:
            outputs = [Tensor(tuple(t.shape[1:]), t.dtype) for t in step.outputs]
            arguments = _arguments(step.outputs[0])
            found.append(Call(operation, name, belongs, inputs, tuple(outputs), arguments))
        made.update(zip(map(id, step.outputs), outputs, strict=True))
    return [made[id(t)] for t in model.outputs]


def _arguments(output: keras.KerasTensor) -> tuple[Any, ...]:
    operation, index, _ = output._keras_history
    return tuple(operation._inbound_nodes[index].arguments.args[1:])
