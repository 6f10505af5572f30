"""Build a backbone by name: one flat graph from uint8 pixels to the last feature map."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from tlpipe.backbones import hub, keras_weights, own_file, registry
from tlpipe.backbones.application import application
from tlpipe.backbones.channels import adapt_channels
from tlpipe.backbones.classic import table
from tlpipe.backbones.efficientnet_lite import efficientnet_lite
from tlpipe.backbones.lite_weights import load_torch_weights
from tlpipe.backbones.preprocess import preprocess
from tlpipe.backbones.registry import Spec
from tlpipe.backbones.weights import Weights, choose_weights
from tlpipe.errors import BackboneError, nearest
from tlpipe.pipeline.digest import file_sha256

_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class Backbone:
    """A network ready for a head.

    Attributes:
        model: one flat functional graph; input ``image``: uint8 (batch, size, size, channels),
            output: the last feature map before pooling (batch, h, w, channels).
        spec: what was built.
        size: input height and width in pixels.
        weights: in words, what was loaded.
        weights_sha256: of the weights file; None without one.
    """

    model: keras.Model
    spec: Spec
    size: int
    weights: str
    weights_sha256: str | None


def resolve(name: str) -> Spec:
    """What ``--backbone`` means: a name, the path of a ``.keras`` file, or ``hub:PRESET``.

    A file or preset is opened for it.

    Raises:
        BackboneError: there is none of that name; a file or preset that can't be a backbone.
    """
    if name.startswith(hub.PREFIX):
        return hub.spec(name)
    if own_file.is_file(name):
        return own_file.describe(own_file.load(name), name=name, kind="file")
    return registry.get(name)


def input_size(spec: Spec, size: int | None) -> int:
    """The side of the input in pixels: ``size``, or the backbone's own when that is None.

    Raises:
        BackboneError: it is too small, or the file takes another one only.
    """
    size = spec.default_size if size is None else size
    if spec.fixed_size and size != spec.default_size:
        raise BackboneError(
            f"'{spec.name}' takes pictures of {spec.default_size} px, not of {size} px.",
            cause="the file has a fixed input",
            todo=f"--resolution {spec.default_size}, or save the model with an input of"
            " (None, None, 3)",
        )
    if size < spec.minimum_size:
        raise BackboneError(
            f"Pictures of {size} px are too small for '{spec.name}'.",
            cause=f"it needs at least {spec.minimum_size} px",
            todo=f"--resolution {spec.default_size}",
        )
    return size


def build(
    name: str,
    *,
    weights: str | Path = "auto",
    size: int | None = None,
    seed: int = 0,
    dtype_policy: str = "float32",
    channels: int | None = None,
) -> Backbone:
    """Build a backbone and load its weights.

    Python's and NumPy's global random states are set by ``seed`` while the network is made and
    put back after; the backend's own global seed (which tlpipe never draws from) stays set.

    Args:
        name: see ``registry.names()``; or the path of a ``.keras`` file, or ``hub:PRESET``.
        weights: ``auto`` (those of the install, file or preset, else Keras' ImageNet weights;
            none for the classic networks), ``bundled``, ``imagenet``, ``none`` (random), or a
            file: ``.h5``, ``.weights.h5``, ``.keras``, and ``.pth``/``.pt`` for EfficientNet-Lite
            and (torchvision's) for MobileNetV2, VGG16/19 and ResNet50/101/152.
        size: input height and width in pixels; the network's own when None.
        seed: of the initialisation (and of the dropout layers).
        dtype_policy: ``float32``, ``mixed_bfloat16`` or ``mixed_float16``; the preprocessing is
            float32 in all of them.
        channels: of the pictures; the network's own (3, as a rule) when None. Pretrained weights
            are adapted by the rule of ``channels.adapt_channels``.

    Raises:
        BackboneError: unknown name, size too small, weights that can't be had or don't fit.
    """
    spec = resolve(str(name))
    size = input_size(spec, size)
    if dtype_policy not in _POLICIES:
        raise BackboneError(
            f"There is no dtype policy '{dtype_policy}'.", todo=nearest(dtype_policy, _POLICIES)
        )
    chosen = choose_weights(spec, weights, size, seed)
    channels = _channels(spec, channels)
    if spec.kind == "application" and chosen.torch:
        spec = replace(spec, preprocessing="torch")
    with _policy(dtype_policy), _seeded(seed):
        if spec.kind == "classic":
            model = _classic(spec, size, chosen, channels)
        else:
            model = _MAKERS[spec.kind](spec, size, chosen)
            if channels != 3:
                model = adapt_channels(model, channels, pretrained=not chosen.random)
    file = keras_weights.cached_file(spec, size) if chosen.imagenet else chosen.file
    return Backbone(model, spec, size, chosen.text, file_sha256(file) if file else None)


def _lite(spec: Spec, size: int, chosen: Weights) -> keras.Model:
    model = efficientnet_lite(spec.builder, size)
    if chosen.torch:
        load_torch_weights(model, spec.builder, chosen.file)
    elif chosen.file is not None:
        keras_weights.load_keras_file(model, chosen.file, spec.name)
    return model


def _channels(spec: Spec, channels: int | None) -> int:
    if channels is None or channels == spec.channels:
        return spec.channels
    if spec.channels != 3 or spec.kind in ("file", "hub"):
        raise BackboneError(
            f"'{spec.name}' takes pictures of {spec.channels} channels, not of {channels}.",
            todo=f"--set scan.channels={spec.channels}, or another --backbone",
        )
    return channels


def _classic(spec: Spec, size: int, chosen: Weights, channels: int) -> keras.Model:
    module = table.load(spec.name)
    image = keras.Input((size, size, channels), dtype="uint8", name="image")
    output = module.features(preprocess(image, spec.preprocessing))
    model = keras.Model(image, output, name=spec.name)
    if chosen.file is not None:
        keras_weights.load_keras_file(model, chosen.file, spec.name)
    return model


def _file(spec: Spec, size: int, chosen: Weights) -> keras.Model:
    model = own_file.load(spec.builder)
    return own_file.adopt(model, size, name=spec.name, weights=not chosen.random)


def _hub(spec: Spec, size: int, chosen: Weights) -> keras.Model:
    return hub.features(spec.builder, size, weights=not chosen.random)


_MAKERS = {
    "application": application,
    "lite": _lite,
    "file": _file,
    "hub": _hub,
}


@contextmanager
def _policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
