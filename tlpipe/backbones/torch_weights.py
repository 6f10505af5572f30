"""The entries of a PyTorch state dict, put into the layers of a Keras graph: all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from tlpipe.errors import BackboneError

# A layer's name, and the entries of its variables in their order; None: zeros.
Pair = tuple[str, Sequence[str | None]]

_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def batch_norm(prefix: str) -> list[str]:
    """The entries of a BatchNorm in the order of the Keras layer's variables."""
    return [f"{prefix}.{part}" for part in _BATCH_NORM]


def put_in_place(
    model: keras.Model,
    state: dict[str, np.ndarray],
    pairs: Sequence[Pair],
    *,
    path: str | Path,
    name: str,
    classifier: Sequence[str] = (),
) -> None:
    """Set the weights of ``model`` from a state dict in which nothing may lack or be left over.

    Args:
        model: the graph; its layers are found by name.
        state: entry -> array. ``num_batches_tracked`` is passed over: inference has no use for it.
        pairs: every layer with weights, and its entries.
        path: the file, for messages.
        name: the network, for messages.
        classifier: entries that may be there without a place in ``model``; those that end in a
            dot stand for all that begin so.

    Raises:
        BackboneError: an entry is missing, left over, or of another shape than its variable; in
            that case nothing was changed before the layer named.
    """
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    wanted = {entry for _, entries in pairs for entry in entries if entry}
    top = tuple(classifier)
    extra = sorted(
        entry
        for entry in set(state) - wanted
        if not (entry in top or entry.startswith(tuple(t for t in top if t.endswith("."))))
    )
    missing = sorted(wanted - set(state))
    if missing or extra:
        what = f"lacks '{missing[0]}'" if missing else f"has an entry '{extra[0]}' too many"
        raise BackboneError(
            f"The weights file does not fit {name}: it {what}.",
            where=path,
            cause=f"{len(missing)} entries missing, {len(extra)} left over",
            todo=f"use a state dict of {name}",
        )
    for layer_name, entries in pairs:
        layer = model.get_layer(layer_name)
        values = []
        for variable, entry in zip(layer.weights, entries, strict=True):
            shape = tuple(variable.shape)
            value = np.zeros(shape, "float32") if entry is None else _to_keras(layer, state[entry])
            if shape != value.shape:
                raise BackboneError(
                    f"The weights file does not fit layer '{layer_name}' of {name}.",
                    where=path,
                    cause=f"expected shape {shape}, found {value.shape} in its entry '{entry}'",
                    todo=f"use a state dict of {name}",
                )
            values.append(value)
        layer.set_weights(values)


def _to_keras(layer: keras.Layer, value: np.ndarray) -> np.ndarray:
    if isinstance(layer, keras.layers.DepthwiseConv2D) and value.ndim == 4:
        return value.transpose(2, 3, 0, 1)
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    return value.T
