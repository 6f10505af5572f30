"""What ``tlpipe backbones`` shows: the list without building anything, one network in detail.

Building all networks takes minutes, so their parameters and blocks lie in ``facts.json``, which
``python -m tlpipe.backbones.catalogue`` makes anew; a test compares it with the networks.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import keras

from tlpipe.backbones import registry
from tlpipe.backbones.blocks import find_blocks
from tlpipe.backbones.build import build, resolve
from tlpipe.backbones.keras_weights import cached_file
from tlpipe.backbones.lite_weights import bundle_path
from tlpipe.backbones.registry import Spec
from tlpipe.pipeline.atomic import read_json, write_json

FACTS = Path(str(files("tlpipe.backbones").joinpath("facts.json")))


def rows() -> list[dict[str, Any]]:
    """One row a backbone: name, size (of its input, in pixels), parameters, blocks and weights.

    ``parameters`` are those of the network without its head, ``blocks`` how many it has, and
    ``weights`` is ``bundled`` (in the install), ``cached`` (downloaded by Keras before) or ``no``.
    """
    facts = read_json(FACTS)
    return [
        {
            "name": spec.name,
            "size": spec.default_size,
            **facts[spec.name],
            "weights": weights_at_hand(spec),
        }
        for spec in map(registry.get, registry.names())
    ]


def weights_at_hand(spec: Spec) -> str:
    """``bundled``, ``cached`` or ``no``: whether ImageNet weights are there without a download.

    ``own``: a file or preset brings what it has.
    """
    if spec.kind in ("file", "hub"):
        return "own"
    if spec.bundle and bundle_path(spec.bundle):
        return "bundled"
    return "cached" if cached_file(spec, spec.default_size) else "no"


def describe(name: str) -> dict[str, Any]:
    """One backbone (a ``.keras`` file or ``hub:PRESET`` too), at its own size, random weights.

    Returns:
        the columns of ``rows``, but blocks is a list, from input to output (name, output_shape,
        parameters), and features, the shape of the last feature map.

    Raises:
        BackboneError: there is none of that name.
    """
    spec = resolve(name)
    model = build(spec.name, weights="none").model
    return {
        "name": spec.name,
        "size": spec.default_size,
        "weights": weights_at_hand(spec),
        "parameters": model.count_params(),
        "features": tuple(model.output.shape[1:]),
        "blocks": [
            {
                "name": block.name,
                "output_shape": block.output_shape,
                "parameters": block.parameters,
            }
            for block in find_blocks(model)
        ],
    }


def facts_of(name: str) -> dict[str, int]:
    """What ``facts.json`` holds of one backbone: parameters, and the number of blocks."""
    facts = describe(name)
    return {"parameters": facts["parameters"], "blocks": len(facts["blocks"])}


if __name__ == "__main__":
    made = {}
    for known in registry.names():
        made[known] = facts_of(known)
        keras.backend.clear_session()
    write_json(FACTS, made)
