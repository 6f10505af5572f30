"""Turn a Keras network with nested parts into one flat graph with the same weights."""

from __future__ import annotations

from collections.abc import Callable

import keras


def flatten(model: keras.Model, skip: Callable[[object], bool] = lambda op: False) -> keras.Model:
    """Rebuild ``model`` with every nested Sequential replaced by its layers.

    Args:
        model: a functional model.
        skip: operations with one input for which it is true are left out.

    Returns:
        A new functional model with copies of the layers (same names, same weights).
    """
    copies: list[tuple[keras.Layer, keras.Layer]] = []

    def copy(op):
        new = op.__class__.from_config(op.get_config())
        if isinstance(op, keras.Layer):
            copies.append((op, new))
        return new

    def clone(op):
        return op if skip(op) or isinstance(op, keras.Sequential) else copy(op)

    def call(op, *args, **kwargs):
        if skip(op):
            return args[0]
        if isinstance(op, keras.Sequential):
            x = args[0]
            for layer in op.layers:
                x = copy(layer)(x)
            return x
        return op(*args, **kwargs)

    flat = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for old, new in copies:
        new.set_weights(old.get_weights())
    return flat
