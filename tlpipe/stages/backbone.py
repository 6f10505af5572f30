"""Backbone: the pretrained network, its weights and its blocks."""

from __future__ import annotations

from pathlib import Path

from tlpipe.backbones.blocks import boundary, find_blocks
from tlpipe.backbones.build import input_size, resolve
from tlpipe.backbones.hub import weights_file
from tlpipe.backbones.weights import choose_weights
from tlpipe.pipeline.atomic import write_json
from tlpipe.pipeline.digest import file_sha256
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import BACKBONE, backbone_of
from tlpipe.training.device import describe_device
from tlpipe.training.device import resolve as resolve_precision
from tlpipe.training.network import halves
from tlpipe.words import counted


class BackboneStage(Stage):
    """Resolves name, weights, resolution and precision; fails here rather than after the scan."""

    name = "backbone"
    writes = (BACKBONE,)

    def outside(self):
        """The content of the files named, and the precision this machine would take."""
        settings = self.settings
        seen = {
            "weights": _digest(Path(settings.weights)),
            "policy": resolve_precision(settings.precision).policy,
        }
        # Only where there is one, so that the keys of all other runs stay what they were.
        for path in (Path(settings.name), weights_file(settings.name)):
            if path is not None and path.is_file():
                seen["backbone"] = _digest(path)
        return seen

    def check(self, run: Run) -> None:
        """An unknown name, weights that can't be had or don't fit, blocks that don't exist."""
        settings = self.settings
        spec = resolve(settings.name)
        size = input_size(spec, settings.resolution)
        chosen = choose_weights(spec, settings.weights, settings.resolution)
        step_three = run.pipeline.stages.get("unfreeze")
        names_blocks = step_three is not None and step_three.blocks not in ("none", "all")
        if chosen.random and not names_blocks:
            return
        # Only loading shows whether weights can be fetched, and fit.
        policy = resolve_precision(settings.precision).policy
        model = backbone_of(run, spec.name, size, policy).model
        if names_blocks:
            tensor = boundary(model, step_three.blocks).tensor
            if tensor is not model.output:
                halves(model, tensor)

    def run(self, run: Run) -> str:
        """Builds the network once and writes down what it is."""
        settings = self.settings
        precision = resolve_precision(settings.precision)
        spec = resolve(settings.name)
        size = input_size(spec, settings.resolution)
        backbone = backbone_of(run, spec.name, size, precision.policy)
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
            f"{backbone.model.count_params() / 1e6:.1f} M parameters, "
            f"{counted(len(blocks), 'block')}"
        )


def _digest(path: Path) -> str | None:
    return file_sha256(path) if path.is_file() else None
