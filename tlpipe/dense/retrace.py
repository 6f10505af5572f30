"""A network's graph walked again, with other tensors or other layers in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from tlpipe.backbones.graph import Step, steps
from tlpipe.errors import BackboneError

Call = Callable[[Step, tuple, dict], Any]


def retrace(
    model: keras.Model, start: Any, call: Call, aim: str = "taking pictures of any size"
) -> dict[int, Any]:
    """Walks ``model`` from ``start`` in place of its input.

    Args:
        model: a functional model with one input.
        start: what takes the place of ``model.input``.
        call: from a step and its new arguments to its new outputs.
        aim: what it is done for, for the message.

    Returns:
        What stands for each tensor of ``model``, by the tensor's ``id``.

    Raises:
        BackboneError: a layer does not take what it is given; the message names it.
    """
    made = {id(model.inputs[0]): start}
    for step in steps(model):
        if id(step.outputs[0]) in made:
            continue
        operation, index, _ = step.outputs[0]._keras_history
        args, kwargs = operation._inbound_nodes[index].arguments.fill_in(made)
        try:
            result = call(step, args, kwargs)
        except ValueError as error:
            raise BackboneError(
                f"Layer '{operation.name}' prevents the network from {aim}.",
                cause=str(error).strip().splitlines()[0],
            ) from error
        made.update(zip(map(id, step.outputs), keras.tree.flatten(result), strict=True))
    return made


def again(step: Step, args: tuple, kwargs: dict) -> Any:
    """The same layer called on the new tensors: it is shared."""
    return step.operation(*args, **kwargs)


def shapes_at(model: keras.Model, size: tuple[int, int]) -> dict[int, tuple[int, ...]]:
    """The shape of each tensor, by its ``id``, for one picture of ``size`` (height, width)."""
    entry = model.inputs[0]
    picture = keras.KerasTensor((1, *size, entry.shape[-1]), dtype=entry.dtype)
    specs = retrace(
        model,
        picture,
        lambda step, args, kwargs: step.operation.compute_output_spec(*args, **kwargs),
    )
    return {key: tuple(spec.shape) for key, spec in specs.items()}
