"""What later stages read back from the run folder."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path

import keras

from tlpipe.backbones import registry
from tlpipe.backbones.build import Backbone, build
from tlpipe.backbones.reuse import build_or_reuse
from tlpipe.backbones.weights import CHOICES
from tlpipe.config.settings import Scan
from tlpipe.data.augment import load as load_augmentation
from tlpipe.data.folder import Listing
from tlpipe.data.manifest import Manifest
from tlpipe.data.pixels import Pixels
from tlpipe.data.sample import Sampler
from tlpipe.data.source import has_named_labels, list_data, open_root
from tlpipe.errors import ConfigError
from tlpipe.pipeline.atomic import read_json
from tlpipe.pipeline.run import Run
from tlpipe.targets.registry import TARGETS, target_of
from tlpipe.targets.target import Target
from tlpipe.training.network import add_head

MANIFEST = "manifest.csv"
BACKBONE = "backbone.json"
PREPARE = "augmentation.json"


def data_of(run: Run) -> str:
    """What names the pictures. Raises ConfigError when nothing was given."""
    data = run.pipeline.stages["scan"].data
    if data is None:
        raise ConfigError(
            "No pictures were named.",
            todo="give them with --data: a folder (one sub-folder a class), a CSV, or tfds:NAME",
        )
    return data


def data_root(run: Run) -> Traversable:
    """What the pictures' paths are relative to. Raises ConfigError when no data were given."""
    return open_root(data_of(run))


def classes_needed(settings: Scan) -> int:
    """How many different labels there must be; 0 where a label is not one class."""
    return 2 if settings.target == "class" else 0


def listed(run: Run) -> Listing:
    """The pictures that the run's data name, none of them read yet."""
    settings = run.pipeline.stages["scan"]
    return list_data(data_of(run), label=settings.label, least=classes_needed(settings))


def listed_like(run: Run, data: str | Path) -> Listing:
    """Other pictures, whose labels are read as those of the run; one class is enough."""
    settings = run.pipeline.stages["scan"]
    label = settings.label if has_named_labels(data) else None
    return list_data(data, label=label, least=min(1, classes_needed(settings)))


def pixels_of(run: Run) -> Pixels:
    """How the pictures' bytes become pixels."""
    settings = run.pipeline.stages["scan"]
    return Pixels(settings.channels, settings.low, settings.high)


def open_manifest(run: Run) -> Manifest:
    """The split the run was made with."""
    return Manifest.read(run.path(MANIFEST), root=data_root(run))


def open_target(run: Run, manifest: Manifest) -> Target:
    """What the manifest's labels are. Raises DataError for labels that the target can't take."""
    settings = run.pipeline.stages["scan"]
    return target_of(settings.target, manifest, settings.label or "number")


def check_target(run: Run, step: str) -> None:
    """Raises ConfigError for settings of a training step that don't fit the target."""
    TARGETS[run.pipeline.stages["scan"].target].check(run.pipeline.stages[step], step)


def open_backbone(run: Run, *, policy: str | None = None) -> Backbone:
    """The backbone as the backbone stage resolved it; ``policy`` overrides the precision.

    What was opened before is no longer of use: it may be the same.
    """
    facts = read_json(run.path(BACKBONE))
    return backbone_of(run, facts["name"], facts["size"], policy or facts["policy"])


def backbone_of(run: Run, name: str, size: int | None, policy: str) -> Backbone:
    """The backbone that the run's settings name. Raises BackboneError as ``build`` does."""
    settings = run.pipeline.stages["backbone"]
    named = name in registry.names() and settings.weights in CHOICES
    make = build_or_reuse if named and settings.devices == 1 else build
    return make(
        name,
        weights=settings.weights,
        size=size,
        seed=run.seed,
        dtype_policy=policy,
        channels=pixels_of(run).channels,
    )


def open_network(
    run: Run, target: Target, *, policy: str | None = None
) -> tuple[keras.Model, keras.Model]:
    """The whole network, image to logits, with an untrained head; and its backbone."""
    backbone = open_backbone(run, policy=policy).model
    settings = run.pipeline.stages["head"]
    whole = add_head(backbone, target.outputs, settings, seed=run.seed, zero=target.starts_at_zero)
    return whole, backbone


def open_sampler(run: Run, manifest: Manifest) -> Sampler:
    """Pictures of the manifest at the backbone's size, with the run's augmentation."""
    settings = run.pipeline.stages["prepare"]
    size = read_json(run.path(BACKBONE))["size"]
    pixels = pixels_of(run)
    augmentation = load_augmentation(settings.augment, size, settings.strength, pixels.channels)
    return Sampler(manifest, size, settings.resize, augmentation, run.seed, pixels=pixels)
