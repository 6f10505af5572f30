"""One backbone for all stages of a run, and all trials of a search: each gets it as it was built.

Building EfficientNet-Lite0 takes Keras .6 to 1.8 s, and a run opens its backbone four times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from threading import get_ident

import keras
import numpy as np

from tlpipe.backbones.build import Backbone, build


def build_or_reuse(name: str, **how) -> Backbone:
    """What ``build(name, **how)`` gives; where that was the last one asked for, the same again.

    Its weights and flags are put back to what they were, and what was made of it since (networks
    with a head, suffixes) is of no more use. Another thread gets one of its own. Do not ask
    for one on several devices, nor for one from a file, which may be another by now.

    Args:
        name: see ``build``.
        how: the other arguments of ``build``.

    Raises:
        BackboneError: as ``build``.
    """
    built = _last(get_ident(), name, **how)
    built.put_back()
    return built.backbone


@dataclass(frozen=True)
class _Built:
    backbone: Backbone
    values: list[np.ndarray]
    trainable: list[bool]
    calls: list[tuple[int, int]]

    @classmethod
    def of(cls, backbone: Backbone) -> _Built:
        model = backbone.model
        return cls(
            backbone,
            [np.array(keras.ops.convert_to_numpy(variable)) for variable in model.variables],
            [layer.trainable for layer in model.layers],
            [(len(o._inbound_nodes), len(o._outbound_nodes)) for o in model.operations],
        )

    def put_back(self) -> None:
        model = self.backbone.model
        for layer, trainable in zip(model.layers, self.trainable, strict=True):
            layer.trainable = trainable
        for variable, value in zip(model.variables, self.values, strict=True):
            variable.assign(value)
        # Else every head that ever stood on it would stay in memory.
        for operation, (inbound, outbound) in zip(model.operations, self.calls, strict=True):
            del operation._inbound_nodes[inbound:]
            del operation._outbound_nodes[outbound:]


@lru_cache(maxsize=1)
def _last(thread: int, name: str, **how) -> _Built:
    return _Built.of(build(name, **how))
