"""The classic networks by name: what there is. Imports nothing heavy."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Classic:
    """One network.

    Attributes:
        name: what users type.
        module: its file in this package.
        family: the networks that share its design, for tables.
        default_size: the paper's square input.
        minimum_size: the smallest square input that fills one position of the last feature map.
        channels: of the paper's input; the network builds with any other number too.
    """

    name: str
    module: str
    family: str
    default_size: int
    minimum_size: int
    channels: int


_ALL = (
    Classic("lenet5", "lenet5", "LeNet", 32, 32, 1),
    Classic("alexnet", "alexnet", "AlexNet", 227, 67, 3),
    Classic("zfnet", "zfnet", "AlexNet", 224, 53, 3),
    Classic("googlenet", "googlenet", "Inception", 224, 32, 3),
    Classic("resnext50", "resnext", "ResNet", 224, 32, 3),
    Classic("wide_resnet50", "wide_resnet", "ResNet", 224, 32, 3),
    Classic("se_resnet50", "se_resnet", "ResNet", 224, 32, 3),
    Classic("shufflenet", "shufflenet", "ShuffleNet", 224, 32, 3),
    Classic("shufflenet_v2", "shufflenet_v2", "ShuffleNet", 224, 32, 3),
    Classic("alphago", "alphago", "AlphaGo", 19, 5, 48),
)
CLASSICS = {network.name: network for network in _ALL}


def load(name: str) -> ModuleType:
    """The module with ``features`` and ``top`` of the network ``name``; imports Keras.

    Args:
        name: a key of ``CLASSICS``.
    """
    return importlib.import_module(f"tlpipe.backbones.classic.{CLASSICS[name].module}")
