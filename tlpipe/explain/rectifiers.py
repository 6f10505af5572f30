"""Backward passes that let through less than the gradient: guided, and the deconvnet's.

"Guided" (Springenberg et al. 2015, "Striving for Simplicity") passes a gradient through a rectifier
where both its input and the gradient are positive; the deconvnet (Zeiler and Fergus 2014) where the
gradient is positive. Both are defined for rectifiers alone: a network with another nonlinearity in
place of one is refused, because its plain gradient under their name would be a lie.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras
from keras import ops

from tlpipe.backbones.graph import steps
from tlpipe.errors import BackboneError

# Gates and ends, not rectifiers: the plain gradient is theirs under either name.
_SMOOTH = {"linear", "sigmoid", "hard_sigmoid", "tanh", "softmax"}
_CEILINGS = {"relu": None, "relu6": 6.0}


class ModifiedReLU(keras.layers.Layer):
    """A rectifier, forward as it is, backward as ``kind`` says.

    Args:
        kind: ``guided`` or ``relu``.
        ceiling: largest output; None for no limit.
    """

    def __init__(self, kind: str, ceiling: float | None = None, name: str | None = None):
        super().__init__(name=name, dtype="float32")
        self.kind, self.ceiling = kind, ceiling
        self.built = True

    def call(self, x):
        """Any shape to the same."""
        return rectify(x, kind=self.kind, ceiling=self.ceiling)


def rectify(x, *, kind: str, ceiling: float | None = None):
    """max(x, 0), at most ``ceiling``, with the backward pass of ``kind``."""

    def forward(x):
        return ops.relu(x) if ceiling is None else ops.clip(x, 0.0, ceiling)

    @ops.custom_gradient
    def modified(x):
        def gradient(*arguments, upstream=None):
            (dy,) = arguments if upstream is None else (upstream,)
            passed = ops.relu(dy)
            if kind == "relu":
                return passed
            open_ = x > 0 if ceiling is None else ops.logical_and(x > 0, x < ceiling)
            return passed * ops.cast(open_, dy.dtype)

        return forward(x), gradient

    return modified(x)


def modify(model: keras.Model, kind: str) -> keras.Model:
    """``model`` with the backward pass of every rectifier replaced.

    Args:
        model: a flat functional model of its own (its layers are changed).
        kind: ``guided`` or ``relu``.

    Raises:
        BackboneError: an activation for which ``kind`` is not defined, or no rectifier at all.
    """
    changed = 0
    replaced: dict[str, keras.layers.Layer] = {}
    for step in steps(model):
        operation = step.operation
        ceiling = _ceiling_of_layer(operation, kind)
        if ceiling is not False:
            replaced[operation.name] = ModifiedReLU(kind, ceiling, name=operation.name)
            changed += 1
            continue
        activation = getattr(operation, "activation", None)
        if activation is None:
            continue
        name = _name(activation)
        if name in _CEILINGS:
            operation.activation = partial(rectify, kind=kind, ceiling=_CEILINGS[name])
            changed += 1
        elif name == "rectify":
            changed += 1
        elif name not in _SMOOTH:
            raise _undefined(kind, name, operation.name)
    if not changed:
        raise BackboneError(
            f"The modifier '{kind}' would change nothing in '{model.name}'.",
            cause="the network has no rectifier (ReLU), for which alone it is defined",
            todo="use the plain gradient: --methods saliency",
        )
    if not replaced:
        return model
    return keras.models.clone_model(
        model, clone_function=lambda operation: replaced.get(operation.name, operation)
    )


def _ceiling_of_layer(operation, kind: str) -> float | bool | None:
    """The ceiling of a rectifier that is an operation by itself; False for anything else."""
    if isinstance(operation, keras.layers.ReLU):
        slope, threshold = operation.negative_slope, operation.threshold
        if slope or threshold:
            raise _undefined(kind, f"ReLU(slope {slope:g}, from {threshold:g})", operation.name)
        return operation.max_value
    name = type(operation).__name__
    if isinstance(operation, keras.Layer):
        if name in ("LeakyReLU", "PReLU", "ELU"):
            raise _undefined(kind, name, operation.name)
        return False
    # Operations of keras.ops called on tensors of the graph.
    if name in ("Relu", "Relu6"):
        return _CEILINGS[name.lower()]
    if name in _OTHER_OPERATIONS:
        raise _undefined(kind, name, operation.name)
    return False


_OTHER_OPERATIONS = {
    "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Silu", "Softplus", "HardSilu", "Glu",
}  # fmt: skip


def _name(activation: Callable) -> str:
    if isinstance(activation, partial):
        activation = activation.func
    return getattr(activation, "__name__", type(activation).__name__)


def _undefined(kind: str, what: str, where: str) -> BackboneError:
    return BackboneError(
        f"The modifier '{kind}' is not defined for the activation '{what}'.",
        where=f"layer '{where}'",
        cause="guided and deconvnet passes are rules for rectifiers (ReLU, ReLU6)",
        todo="use the plain gradient: --methods saliency",
    )
