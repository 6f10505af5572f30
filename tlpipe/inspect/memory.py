"""How much memory a network takes, and the largest batch that fits."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from tlpipe.errors import ConfigError
from tlpipe.inspect.calls import Call, Tensor
from tlpipe.inspect.cost import Kept, kept_for_backward, makes_tensor

FLOAT = 4
# Scratch space of the convolutions and what the allocator loses between tensors: set so that what
# benchmarks/memory.py measures a picture on a CPU lies on both sides of the estimate.
WORKSPACE = 1.05
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


@dataclass(frozen=True)
class Memory:
    """An estimate in bytes, float32; what the framework itself takes is not in it.

    Attributes:
        weights: of the network.
        training_state: gradients and the optimizer's two slots, of the weights that train.
        training_picture: for each picture of a training batch.
        prediction_picture: for each picture of a batch to predict.
        kept: bytes that the way back needs, by the call that made them; part of
            ``training_picture``.
    """

    weights: int
    training_state: int
    training_picture: int
    prediction_picture: int
    kept: dict[str, int]

    def training(self, batch: int) -> int:
        """Bytes while a batch trains."""
        return self.weights + self.training_state + batch * self.training_picture

    def prediction(self, batch: int) -> int:
        """Bytes while a batch is predicted."""
        return self.weights + batch * self.prediction_picture

    def largest_training_batch(self, available: int) -> int:
        """The largest batch that trains within ``available`` bytes; 0 when none does."""
        free = available - self.weights - self.training_state
        return max(free // self.training_picture, 0)

    def largest_prediction_batch(self, available: int) -> int:
        """The largest batch that is predicted within ``available`` bytes; 0 when none is."""
        return max((available - self.weights) // self.prediction_picture, 0)


def estimate(model: keras.Model, calls: Sequence[Call]) -> Memory:
    """Estimates the memory of ``model`` from what each of its calls makes and keeps.

    Training holds what the way back needs of every picture (nothing in front of the first weight
    that trains), the gradients that are passed along at one moment, the weights, their gradients
    and the two moments of an Adam. Prediction holds the tensors that are still to be used.
    """
    own = _storage(calls)
    kept, live_gradients = _backward(calls, own)
    forward = _peak(calls, own)
    per_picture = sum(kept.values()) + live_gradients
    trained = sum(math.prod(w.shape) for w in model.trainable_weights)
    return Memory(
        weights=FLOAT * sum(math.prod(w.shape) for w in model.weights),
        training_state=3 * FLOAT * trained,
        training_picture=int(WORKSPACE * FLOAT * max(per_picture, forward)),
        prediction_picture=int(WORKSPACE * FLOAT * forward),
        kept={name: FLOAT * n for name, n in kept.items()},
    )


def parse_bytes(text: str) -> int:
    """Bytes of ``8GB``, ``512 MiB`` or ``8G``.

    Raises:
        ConfigError: it is none.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?\s*", text.upper())
    unit = (_UNITS | _BINARY).get(match[2]) if match else None
    if not match or unit is None or not float(match[1]):
        raise ConfigError(f"'{text}' is no amount of memory.", todo="--memory 8GB, 512MB or 16GiB")
    return int(float(match[1]) * unit)


def _storage(calls: Sequence[Call]) -> dict[Tensor, Tensor]:
    """The tensor whose memory each tensor lies in: a reshaped one lies in that of its input."""
    own: dict[Tensor, Tensor] = {}
    for call in calls:
        for tensor in call.outputs:
            shared = call.inputs and not makes_tensor(call) and "float" in tensor.dtype
            own[tensor] = own[call.inputs[0]] if shared else tensor
    return own


def _backward(calls: Sequence[Call], own: dict[Tensor, Tensor]) -> tuple[dict[str, int], int]:
    """Numbers kept for the way back by the call that made them, and those of passing gradients."""
    maker = {tensor: call.name for call in calls for tensor in call.outputs}
    reached: set[Tensor] = set()
    needed: dict[Tensor, None] = {}
    kept: dict[str, int] = {}
    gradients = 0
    for call in calls:
        trains = bool(getattr(call.operation, "trainable_weights", ()))
        comes = any(t in reached for t in call.inputs)
        need: Kept = kept_for_backward(call, trains, comes)
        needed.update(dict.fromkeys(own[t] for t in need.tensors))
        if need.extra:
            kept[call.name] = kept.get(call.name, 0) + need.extra
        if trains or comes:
            reached.update(call.outputs)
            at_once = [*call.outputs, *(t for t in call.inputs if t in reached)]
            gradients = max(gradients, sum(t.numbers for t in at_once))
    for tensor in needed:
        name = maker[tensor]
        kept[name] = kept.get(name, 0) + tensor.numbers
    return kept, gradients


def _peak(calls: Sequence[Call], own: dict[Tensor, Tensor]) -> int:
    """The most numbers that are alive at once when each tensor goes after its last use."""
    last: dict[Tensor, int] = {}
    for i, call in enumerate(calls):
        for tensor in (*call.inputs, *call.outputs):
            last[own[tensor]] = i
    alive: set[Tensor] = set()
    most = 0
    for i, call in enumerate(calls):
        alive.update(own[t] for t in call.outputs)
        most = max(most, sum(t.numbers for t in alive if "float" in t.dtype))
        alive = {t for t in alive if last[t] > i}
    return most
