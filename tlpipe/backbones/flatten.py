"""Turn a Keras network with nested parts into one flat graph with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def flatten(
    model: keras.Model,
    skip: Callable[[object], bool] = lambda op: False,
    *,
    start: keras.KerasTensor | None = None,
    change: Callable[[keras.Layer, dict[str, Any]], dict[str, Any]] = lambda layer, config: config,
    weights: bool = True,
) -> keras.Model:
    """Rebuild ``model`` with every nested model, Sequential or functional, replaced by its layers.

    Args:
        model: a functional or Sequential model with one input, built.
        skip: operations with one input for which it is true are left out.
        start: the tensor to build upon in place of the model's input; its own source becomes the
            input.
        change: takes a layer and its configuration, returns the configuration of the copy.
        weights: copy them; else those of the copies are new and random.

    Returns:
        A new functional model with copies of the layers (same names, unless two nested ones had
        the same).
    """
    copies: dict[int, tuple[Any, Any]] = {}
    names: set[str] = set()

    def copy(op, prefix):
        if id(op) not in copies:
            config = op.get_config()
            if isinstance(op, keras.Layer):
                name = op.name if op.name not in names else f"{prefix}_{op.name}"
                names.add(name)
                config = change(op, {**config, "name": name})
            copies[id(op)] = op, op.__class__.from_config(config)
        return copies[id(op)][1]

    def run(part, x):
        if isinstance(part, keras.Sequential):
            for layer in part.layers:
                x = call(layer, x, prefix=part.name)
            return x
        # Keras has no public way to call a graph's operations anew upon a tensor inside another.
        return part._run_through_graph(
            x, call_fn=lambda op, *args, **kwargs: call(op, *args, prefix=part.name, **kwargs)
        )

    def call(op, *args, prefix, **kwargs):
        if skip(op):
            return args[0]
        if is_nested(op):
            return run(op, args[0])
        return copy(op, prefix)(*args, **kwargs)

    if start is None:
        (old,) = model.inputs
        source = start = keras.Input(batch_shape=old.shape, dtype=old.dtype, name=old.name)
    else:
        (source,) = keras.utils.get_source_inputs(start)
    (output,) = keras.tree.flatten(run(model, start))
    if weights:
        for old, new in copies.values():
            if isinstance(old, keras.Layer):
                new.set_weights(old.get_weights())
    return keras.Model(source, output, name=model.name)


def is_nested(op: object) -> bool:
    """Whether it is a model with layers of its own that can be read: Sequential or functional."""
    graph = isinstance(op, keras.Model) and isinstance(op, keras.Function)
    return graph or isinstance(op, keras.Sequential)
