"""Backbone: the pretrained network, its weights and its blocks."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tlpipe.backbones import registry
from tlpipe.backbones.blocks import boundary, find_blocks
from tlpipe.backbones.build import build, choose_weights
from tlpipe.pipeline.atomic import write_json
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import BACKBONE
from tlpipe.training.device import describe_device, resolve


class BackboneStage(Stage):
    """Resolves name, weights, resolution and precision; fails here rather than after the scan."""

    name = "backbone"
    writes = (BACKBONE,)

    def outside(self):
        """The content of a weights file, and the precision this machine would take."""
        path = Path(self.settings.weights)
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        return {"weights": digest, "policy": resolve(self.settings.precision).policy}

    def check(self, run: Run) -> None:
        """An unknown name, a weights file that is not there, blocks that don't exist."""
        settings = self.settings
        spec = registry.get(settings.name)
        choose_weights(spec, settings.weights, settings.resolution)
        step_three = run.pipeline.stages.get("unfreeze")
        if step_three is not None and step_three.blocks not in ("none", "all"):
            size = settings.resolution
            boundary(build(spec.name, weights="none", size=size).model, step_three.blocks)

    def run(self, run: Run) -> str:
        """Builds the network once and writes down what it is."""
        settings = self.settings
        precision = resolve(settings.precision)
        backbone = build(
            settings.name,
            weights=settings.weights,
            size=settings.resolution,
            seed=run.seed,
            dtype_policy=precision.policy,
        )
        blocks = find_blocks(backbone.model)
        write_json(
            run.path(BACKBONE),
            {
                "name": backbone.spec.name,
                "weights": backbone.weights,
                "weights_sha256": backbone.weights_sha256,
                "size": backbone.size,
                "device": describe_device(),
                "policy": precision.policy,
                "policy_reason": precision.reason,
                "parameters": backbone.model.count_params(),
                "blocks": [
                    {"name": b.name, "shape": list(b.output_shape), "parameters": b.parameters}
                    for b in blocks
                ],
            },
        )
        return (
            f"{backbone.spec.name} at {backbone.size} px, {backbone.weights}, "
            f"{backbone.model.count_params() / 1e6:.1f} M parameters, {len(blocks)} blocks"
        )
