"""Named blocks of a network, and the freeze boundaries between them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from tlpipe.backbones.graph import Cut, Step, cut_points, steps
from tlpipe.errors import BackboneError, nearest

# What the layers' names tell: the block's name, made from the match.
_BLOCK_NAMES = (
    (re.compile(r"^(stem|top|head)_"), r"\1"),  # EfficientNets; our head
    (
        re.compile(r"^(block\d+)(?:[a-z]_|_)"),
        r"\1",
    ),  # EfficientNets, VGG, Xception, Inception-ResNet
    (re.compile(r"^(conv\d+)(?:_|$)"), r"\1"),  # ResNet, DenseNet, MobileNet
    (re.compile(r"^(mixed\d+)(?:_|$)|^(mixed_\d+[a-z])(?:_|$)"), r"\1\2"),  # Inceptions
    (re.compile(r"^(inception_\d[a-z])(?:_|$)"), r"\1"),  # GoogLeNet
    (re.compile(r"^((?:stage|stack)\d+)(?:_|$)"), r"\1"),  # ShuffleNets; KerasHub's ResNets
    (re.compile(r"_(stem)_"), r"\1"),  # ConvNeXt
    (re.compile(r"_(stage_\d+)_"), r"\1"),  # ConvNeXt
    (re.compile(r"^(?:[Cc]onv_1|conv_7b)(?:_|$)"), "top"),  # MobileNetV2, V3; Inception-ResNet
    # NASNet's cells look back over two others: no tensor between them is a cut.
    (re.compile(r"^(?:normal|reduction)_"), "cells"),
)
# Numbered units, several of which make a stage: those whose outputs have the same shape.
_UNIT_NAMES = (
    re.compile(r"^(?:block|conv_(?:pad|dw|pw))_(\d+)(?:_|$)"),  # MobileNetV2, MobileNet
    re.compile(r"^expanded_conv(?:_(\d+))?_"),  # MobileNetV3, MobileNetV2
)


@dataclass(frozen=True)
class Block:
    """A run of layers between two cuts of the graph.

    Attributes:
        name: unique in its network.
        layers: names of its layers in order; blocks share none and leave none out.
        input: the tensor in front of it: the freeze boundary that trains this block and all after.
        output: the tensor behind it.
        output_shape: of ``output`` without the batch.
        parameters: number of weights in its layers, BatchNorm statistics included.
    """

    name: str
    layers: tuple[str, ...]
    input: keras.KerasTensor
    output: keras.KerasTensor
    output_shape: tuple[int | None, ...]
    parameters: int


@dataclass(frozen=True)
class Boundary:
    """Where freezing ends: what lies before ``tensor`` is frozen, what comes after it trains."""

    tensor: keras.KerasTensor
    frozen: tuple[str, ...]
    trained: tuple[str, ...]


@dataclass(frozen=True)
class _Segment:
    steps: tuple[Step, ...]
    start: keras.KerasTensor
    end: keras.KerasTensor

    @property
    def parameters(self) -> int:
        return sum(layer.count_params() for layer in self.layers)

    @property
    def layers(self) -> list[keras.Layer]:
        found = [s.operation for s in self.steps if isinstance(s.operation, keras.Layer)]
        return list(dict.fromkeys(found))


def find_blocks(model: keras.Model) -> list[Block]:
    """Split a network into named blocks at cuts of its graph.

    The names are the network's own where its layers' names tell them (``stem``, ``block1``...,
    ``conv5``, ``mixed7``, ``stage_2``, ``top``). Numbered units whose outputs have the same shape
    are one ``stage``. A network without such names is cut where its resolution changes, at the
    smallest tensor in front of the change.

    Args:
        model: a flat functional model with one input and one output, ending before the head.

    Returns:
        The blocks from input to output; preprocessing belongs to the first.
    """
    segments = _segments(model)
    labels = _named(segments) or _by_resolution(segments)
    groups: list[tuple[str, list[_Segment]]] = []
    for label, segment in zip(labels, segments, strict=True):
        if groups and groups[-1][0] == label:
            groups[-1][1].append(segment)
        else:
            groups.append((label, [segment]))
    names = _unique([label for label, _ in groups])
    return [_block(name, members) for name, (_, members) in zip(names, groups, strict=True)]


def boundary(model_or_blocks: keras.Model | Sequence[Block], unfreeze: int | str) -> Boundary:
    """The freeze boundary for ``--unfreeze``.

    Args:
        model_or_blocks: a backbone, or its blocks.
        unfreeze: ``none``, ``all``, how many of the last blocks, or the name of the first block
            that trains.

    Raises:
        BackboneError: there is no such block, or there are not that many.
    """
    blocks = model_or_blocks
    if isinstance(blocks, keras.Model):
        blocks = find_blocks(blocks)
    names = [block.name for block in blocks]
    first = _first_trained(names, unfreeze)
    tensor = blocks[first].input if first < len(blocks) else blocks[-1].output
    return Boundary(tensor, tuple(names[:first]), tuple(names[first:]))


def _first_trained(names: list[str], unfreeze: int | str) -> int:
    if unfreeze in ("none", "all"):
        return len(names) if unfreeze == "none" else 0
    if unfreeze in names:
        return names.index(unfreeze)
    # What comes from a command line is text.
    if isinstance(unfreeze, str) and re.fullmatch(r"-?\d+", unfreeze):
        unfreeze = int(unfreeze)
    if isinstance(unfreeze, bool) or not isinstance(unfreeze, int):
        raise BackboneError(
            f"There is no block '{unfreeze}' to unfreeze from.",
            cause=f"the blocks from input to output: {', '.join(names)}",
            todo=nearest(str(unfreeze), [*names, "none", "all"]),
        )
    if not 0 <= unfreeze <= len(names):
        raise BackboneError(
            f"{unfreeze} blocks can't be unfrozen.",
            cause=f"the network has {len(names)} blocks: {', '.join(names)}",
            todo=f"--unfreeze with a number from 0 to {len(names)}, or the name of a block",
        )
    return len(names) - unfreeze


def _segments(model: keras.Model) -> list[_Segment]:
    walk, cuts = steps(model), cut_points(model)
    # The input tensor is the first cut: the input layer goes with what follows it.
    first = Cut(cuts[0].tensor, cuts[0].layer, 0)
    pairs = zip([first, *cuts[1:]], cuts[1:], strict=False)
    return [_Segment(tuple(walk[a.position : b.position]), a.tensor, b.tensor) for a, b in pairs]


def _block(name: str, members: list[_Segment]) -> Block:
    layers = list(dict.fromkeys(layer for m in members for layer in m.layers))
    return Block(
        name=name,
        layers=tuple(layer.name for layer in layers),
        input=members[0].start,
        output=members[-1].end,
        output_shape=tuple(members[-1].end.shape[1:]),
        parameters=sum(layer.count_params() for layer in layers),
    )


def _named(segments: list[_Segment]) -> list[str] | None:
    """A label for each segment by its layers' names; None when no name tells anything."""
    labels: list[str | None] = [_label(segment) for segment in segments]
    if not any(labels):
        return None
    # What has no name goes with what is in front of it, ...
    for i in range(1, len(labels)):
        labels[i] = labels[i] or labels[i - 1]
    # ... and in front of the first name, with what follows, unless it is a stem with weights.
    first = next(i for i, label in enumerate(labels) if label)
    weighs = any(segment.parameters for segment in segments[:first])
    labels[:first] = ["stem" if weighs else labels[first]] * first
    return _units_to_stages(labels, segments)


def _label(segment: _Segment) -> str | None:
    # The name nearest to the segment's end: a segment is known by what it delivers.
    for step in reversed(segment.steps):
        name = step.operation.name
        for pattern in _UNIT_NAMES:
            if match := pattern.search(name):
                return f"unit:{match[1] or 0}"
        for pattern, template in _BLOCK_NAMES:
            if match := pattern.search(name):
                return match.expand(template)
    return None


def _units_to_stages(labels: list[str], segments: list[_Segment]) -> list[str]:
    ends: dict[str, tuple] = {}
    for label, segment in zip(labels, segments, strict=True):
        ends[label] = segment.end.shape
    stages: dict[str, str] = {}
    number, shape = 0, None
    for label in dict.fromkeys(labels):
        if label.startswith("unit:"):
            number += ends[label] != shape
            shape = ends[label]
            stages[label] = f"stage{number}"
    return [stages.get(label, label) for label in labels]


def _by_resolution(segments: list[_Segment]) -> list[str]:
    labels: list[str] = []
    number, start = 1, 0
    for i in range(1, len(segments) + 1):
        if i < len(segments) and segments[i].end.shape[1:3] == segments[start].end.shape[1:3]:
            continue
        region = segments[start:i]
        # The last of the smallest tensors: in front of an expansion that prepares the next stage.
        best = min(range(len(region)), key=lambda j: (math.prod(_sizes(region[j])), -j))
        cut = len(region) if i == len(segments) else best + 1
        labels += [f"stage{number}"] * cut + [f"stage{number + 1}"] * (len(region) - cut)
        number, start = number + 1, i
    return labels


def _sizes(segment: _Segment) -> tuple[int, ...]:
    return tuple(n or 1 for n in segment.end.shape[1:])


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return result
