"""Where a network can be cut in two: the tensors that everything has to pass through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Step:
    """One operation of the graph at the moment it is called: its tensors in and out."""

    operation: Any
    inputs: tuple[keras.KerasTensor, ...]
    outputs: tuple[keras.KerasTensor, ...]


@dataclass(frozen=True)
class Cut:
    """A tensor that alone separates the graph: an articulation point.

    ``position`` counts the steps before and up to the one that makes ``tensor``; ``layer`` is
    the name of that operation.
    """

    tensor: keras.KerasTensor
    layer: str
    position: int


def steps(model: keras.Model) -> list[Step]:
    """The operations that lead to the model's outputs, each after all it needs.

    Read back from the output by the tensors' own history, because a layer that belongs to several
    models (a suffix of this one, say) has calls that are none of this model's.
    """
    order: list[Step] = []
    seen: set[tuple[int, int]] = set()
    # Depth first without recursion: deep nets would pass Python's limit.
    stack: list[tuple[Any, Iterator]] = []

    def enter(tensor: keras.KerasTensor) -> None:
        operation, index, _ = tensor._keras_history
        if (id(operation), index) in seen:
            return
        seen.add((id(operation), index))
        node = operation._inbound_nodes[index]
        stack.append((node, iter(node.input_tensors)))

    for output in model.outputs:
        enter(output)
        while stack:
            node, waiting = stack[-1]
            tensor = next(waiting, None)
            if tensor is not None:
                enter(tensor)
            else:
                stack.pop()
                order.append(Step(node.operation, tuple(node.input_tensors), tuple(node.outputs)))
    return order


def cut_points(model: keras.Model) -> list[Cut]:
    """Every tensor that alone separates input from output, both ends included.

    The steps are walked in order with the set of tensors made and not yet used up; where one is
    left, everything after depends on it alone. Any topological order finds the same cuts.

    Args:
        model: a functional model with one input and one output.

    Returns:
        The cuts from the input tensor to the output tensor.

    Raises:
        ValueError: the model has several inputs or outputs.
    """
    _only(model.inputs, "input")
    _only(model.outputs, "output")
    walk = steps(model)
    uses: dict[int, int] = {id(model.outputs[0]): 1}
    for step in walk:
        for tensor in step.inputs:
            uses[id(tensor)] = uses.get(id(tensor), 0) + 1
    live: dict[int, keras.KerasTensor] = {}
    cuts = []
    for position, step in enumerate(walk, start=1):
        for tensor in step.inputs:
            uses[id(tensor)] -= 1
            if not uses[id(tensor)]:
                del live[id(tensor)]
        live.update({id(t): t for t in step.outputs if uses.get(id(t))})
        if len(live) == 1:
            (tensor,) = live.values()
            # A step off to the side, such as a constant, leaves the cut where it was.
            if not cuts or cuts[-1].tensor is not tensor:
                cuts.append(Cut(tensor, tensor._keras_history.operation.name, position))
    return cuts


def _only(tensors: list, what: str):
    if len(tensors) != 1:
        raise ValueError(f"the model has {len(tensors)} {what}s; cuts need exactly one")
    return tensors[0]
