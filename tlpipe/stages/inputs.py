"""What later stages read back from the run folder."""

from __future__ import annotations

from pathlib import Path

import keras

from tlpipe.backbones.build import Backbone, build
from tlpipe.data.augment import load as load_augmentation
from tlpipe.data.manifest import Manifest
from tlpipe.data.pixels import Pixels
from tlpipe.data.sample import Sampler
from tlpipe.errors import ConfigError
from tlpipe.pipeline.atomic import read_json
from tlpipe.pipeline.run import Run
from tlpipe.training.network import add_head

MANIFEST = "manifest.csv"
BACKBONE = "backbone.json"
PREPARE = "augmentation.json"


def data_root(run: Run) -> Path:
    """The folder of pictures. Raises ConfigError when none was given."""
    data = run.pipeline.stages["scan"].data
    if data is None:
        raise ConfigError(
            "No pictures were named.",
            todo="give the folder with --data DIR (one sub-folder a class)",
        )
    return Path(data)


def pixels_of(run: Run) -> Pixels:
    """How the pictures' bytes become pixels."""
    settings = run.pipeline.stages["scan"]
    return Pixels(settings.channels, settings.low, settings.high)


def open_manifest(run: Run) -> Manifest:
    """The split the run was made with."""
    return Manifest.read(run.path(MANIFEST), root=data_root(run))


def open_backbone(run: Run, *, policy: str | None = None) -> Backbone:
    """The backbone as the backbone stage resolved it; ``policy`` overrides the precision."""
    facts = read_json(run.path(BACKBONE))
    settings = run.pipeline.stages["backbone"]
    return build(
        facts["name"],
        weights=settings.weights,
        size=facts["size"],
        seed=run.seed,
        dtype_policy=policy or facts["policy"],
        channels=pixels_of(run).channels,
    )


def open_network(
    run: Run, classes: int, *, policy: str | None = None
) -> tuple[keras.Model, keras.Model]:
    """The whole network, image to logits, with an untrained head; and its backbone."""
    backbone = open_backbone(run, policy=policy).model
    return add_head(backbone, classes, run.pipeline.stages["head"], seed=run.seed), backbone


def open_sampler(run: Run, manifest: Manifest) -> Sampler:
    """Pictures of the manifest at the backbone's size, with the run's augmentation."""
    settings = run.pipeline.stages["prepare"]
    size = read_json(run.path(BACKBONE))["size"]
    pixels = pixels_of(run)
    augmentation = load_augmentation(settings.augment, size, settings.strength, pixels.channels)
    return Sampler(manifest, size, settings.resize, augmentation, run.seed, pixels=pixels)
