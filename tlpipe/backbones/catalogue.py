"""What ``tlpipe backbones`` shows: the list without building anything, one network in detail."""

from __future__ import annotations

from typing import Any

from tlpipe.backbones import registry
from tlpipe.backbones.blocks import find_blocks
from tlpipe.backbones.build import build
from tlpipe.backbones.keras_weights import cached_file
from tlpipe.backbones.lite_weights import bundle_path
from tlpipe.backbones.registry import Spec


def rows() -> list[dict[str, Any]]:
    """One row a backbone: name, family, size (of its input, in pixels), and weights.

    ``weights`` is ``bundled`` (in the install), ``cached`` (downloaded by Keras before) or ``no``.
    """
    return [
        {
            "name": spec.name,
            "family": spec.family,
            "size": spec.default_size,
            "weights": weights_at_hand(spec),
        }
        for spec in map(registry.get, registry.names())
    ]


def weights_at_hand(spec: Spec) -> str:
    """``bundled``, ``cached`` or ``no``: whether ImageNet weights are there without a download."""
    if spec.bundle and bundle_path(spec.bundle):
        return "bundled"
    return "cached" if cached_file(spec, spec.default_size) else "no"


def describe(name: str) -> dict[str, Any]:
    """One backbone, built at its own size with random weights.

    Returns:
        the columns of ``rows`` and: minimum_size, preprocessing, parameters, features (shape of
        the last feature map), blocks (from input to output: name, output_shape, layers (how
        many), parameters).

    Raises:
        BackboneError: there is none of that name.
    """
    spec = registry.get(name)
    model = build(spec.name, weights="none").model
    return {
        "name": spec.name,
        "family": spec.family,
        "size": spec.default_size,
        "weights": weights_at_hand(spec),
        "minimum_size": spec.minimum_size,
        "preprocessing": spec.preprocessing,
        "parameters": model.count_params(),
        "features": tuple(model.output.shape[1:]),
        "blocks": [
            {
                "name": block.name,
                "output_shape": block.output_shape,
                "layers": len(block.layers),
                "parameters": block.parameters,
            }
            for block in find_blocks(model)
        ],
    }
