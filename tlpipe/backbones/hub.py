"""KerasHub presets as backbones, ``hub:NAME``: a preset of the hub or a folder on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from tlpipe.backbones import own_file
from tlpipe.backbones.registry import Spec
from tlpipe.errors import BackboneError, one_line

PREFIX = "hub:"


@dataclass(frozen=True)
class _Preset:
    model: keras.Model
    # None: the preset has none.
    converter: Any


def spec(name: str) -> Spec:
    """What the preset takes; its weights are not loaded.

    Raises:
        BackboneError: KerasHub is not installed, the preset can't be had, or is no graph from
            one picture to one feature map.
    """
    preset = _open(name, weights=False)
    size = getattr(preset.converter, "image_size", None)
    made = own_file.describe(
        preset.model,
        name=name,
        kind="hub",
        size=size[0] if size else None,
        inside=preset.converter is not None,
    )
    shape = preset.model.outputs[0].shape
    if len(shape) != 4:
        raise BackboneError(
            f"'{name}' gives no feature map to put a head on.",
            cause=f"the shape of its output is {shape}; needed: (batch, height, width, channels)",
            todo="take a preset of a network of convolutions, such as hub:resnet_50_imagenet",
        )
    return made


def features(name: str, size: int, *, weights: bool = True) -> keras.Model:
    """The preset's backbone with its preprocessing in front; see ``own_file.adopt``."""
    preset = _open(name, weights)
    scale, offset = (getattr(preset.converter, part, None) for part in ("scale", "offset"))
    return own_file.adopt(
        preset.model,
        size,
        name=name,
        weights=weights,
        scale=1.0 if scale is None else scale,
        offset=0.0 if offset is None else offset,
    )


def weights_file(name: str) -> Path | None:
    """The weights of a preset that is a folder here, in one file; None of anything else."""
    if not name.startswith(PREFIX):
        return None
    path = Path(name.removeprefix(PREFIX)) / "model.weights.h5"
    return path if path.is_file() else None


def _open(name: str, weights: bool) -> _Preset:
    try:
        import keras_hub
    except ImportError as error:
        raise BackboneError(
            f"'{name}' needs KerasHub, which can't be imported.",
            cause=str(error),
            todo="pip install 'tlpipe[hub]', or, in a clone too: pip install keras-hub",
        ) from error
    preset = name.removeprefix(PREFIX)
    # KerasHub raises many kinds for what is unknown, unreachable or torn.
    try:
        model = keras_hub.models.Backbone.from_preset(preset, load_weights=weights)
    except Exception as error:
        raise BackboneError(
            f"The KerasHub preset '{preset}' can't be had.",
            cause=one_line(error, 400),
            todo="give the name of a preset of an image backbone, or the folder of one that was"
            " saved with save_to_preset(FOLDER)",
        ) from error
    try:
        converter = keras_hub.layers.ImageConverter.from_preset(preset)
    # A backbone saved by itself has no converter; networks of text have no such class.
    except (FileNotFoundError, ValueError):
        converter = None
    return _Preset(model, converter)
