"""A user's own ``.keras`` model as a backbone: read safely, flattened, its head cut off."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

# Known to Keras once imported: models made from the classic networks hold them.
import tlpipe.backbones.classic.objects  # noqa: F401
from tlpipe.backbones.flatten import flatten, is_nested
from tlpipe.backbones.graph import cut_points, steps
from tlpipe.backbones.preprocess import rescale
from tlpipe.backbones.registry import Kind, Spec
from tlpipe.errors import BackboneError, one_line

_SIZE, _MINIMUM = 224, 32
# What a head of tlpipe calls its layers: a graph has each name once.
_NAMES_OF_HEADS = re.compile(
    r"pool(_average|_max)?|(hidden\d+_)?dropout|hidden\d+|logits|temperature|probabilities|number"
)
_INNER = (keras.layers.Rescaling, keras.layers.Normalization)
_HEADS = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Flatten,
)


def is_file(name: str) -> bool:
    """Whether what was given as a backbone's name is rather the path of a file."""
    path = Path(name)
    return path.suffix in (".keras", ".h5", ".hdf5") or len(path.parts) > 1 or path.is_file()


def load(path: str) -> keras.Model:
    """A ``.keras`` file in Keras' safe mode: no code in it is run.

    Raises:
        BackboneError: it is not there, is no ``.keras`` file, or holds a Lambda or a class that
            Keras does not know.
    """
    if Path(path).suffix != ".keras":
        raise BackboneError(
            f"'{path}' is no backbone's name, and no '.keras' file.",
            todo="`tlpipe backbones` lists the names; save a model of your own with"
            " model.save('NAME.keras'); weights alone go with --weights",
        )
    if not Path(path).is_file():
        raise BackboneError(
            "The backbone's file does not exist.", where=path, todo="check the path"
        )
    try:
        with warnings.catch_warnings():
            # The optimizer is left out on purpose.
            warnings.simplefilter("ignore", UserWarning)
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    # Keras raises many kinds; each means that the file can't be used as it is.
    except Exception as error:
        cause = one_line(error)
        what = "The model file can't be read."
        if "lambda" in cause.lower():
            what = "The model file holds a Lambda, which is refused: it could run any code."
        raise BackboneError(
            what,
            where=path,
            cause=cause,
            todo="save the model with built-in layers only, keras.ops in place of a Lambda",
        ) from error


def describe(
    model: keras.Model, *, name: str, kind: Kind, size: int | None = None, inside: bool = False
) -> Spec:
    """What a foreign model takes.

    Args:
        model: of a file or preset.
        name: its path or name.
        kind: ``file`` or ``hub``.
        size: its default where the input's is not fixed.
        inside: its preprocessing will stand in front of it.

    Raises:
        BackboneError: it is no graph from one square RGB picture to one output.
    """
    fixed = _fixed_size(model, name)
    return Spec(
        name=name,
        family="own",
        default_size=size or fixed or _SIZE,
        minimum_size=min(fixed or _MINIMUM, _MINIMUM),
        preprocessing="inside" if inside or _preprocesses(model) else "none",
        builder=name,
        kind=kind,
        fixed_size=kind == "file" and fixed is not None,
    )


def adopt(
    model: keras.Model,
    size: int,
    *,
    name: str,
    weights: bool = True,
    scale: float | Sequence[float] = 1.0,
    offset: float | Sequence[float] = 0.0,
) -> keras.Model:
    """A foreign model as a backbone, under the global dtype policy.

    Layers that augment are left out: tlpipe has its own augmentation.

    Args:
        model: functional or Sequential, one RGB picture to one output, nested parts or not.
        size: height and width of the input.
        name: its path or name.
        weights: keep them; else new random ones.
        scale, offset: in front of a model that takes float pictures: pixels * scale + offset.

    Returns:
        One flat functional graph, input ``image``: uint8 RGB (batch, size, size, 3), output: the
        last feature map in front of pooling or flattening.

    Raises:
        BackboneError: it does not work at this size, or has no feature map.
    """
    _fixed_size(model, name)
    start = keras.Input((size, size, 3), dtype="uint8", name="image")
    if model.inputs[0].dtype != "uint8":
        taken = "preprocess" in {op.name for op in _operations(model)}
        start = rescale(start, scale, offset, "preprocess_pixels" if taken else "preprocess")
    try:
        flat = flatten(model, _augments, start=start, change=_as_ours, weights=weights)
    except (ValueError, TypeError) as error:
        raise BackboneError(
            f"'{name}' can't be built for pictures of {size} px.",
            cause=one_line(error),
            todo="give another --resolution, or a network of convolutions on one picture",
        ) from error
    return keras.Model(flat.input, _feature_map(flat, name), name=Path(name).stem)


def _feature_map(model: keras.Model, name: str) -> keras.KerasTensor:
    """The last 4-D tensor that separates the graph, in front of pooling or flattening."""
    walk = steps(model)
    weighs = (
        i
        for i, step in enumerate(walk, start=1)
        if getattr(step.operation, "weights", None) and not isinstance(step.operation, _INNER)
    )
    first, last = next(weighs, math.inf), None
    for cut in cut_points(model):
        if len(cut.tensor.shape) != 4 or isinstance(walk[cut.position - 1].operation, _HEADS):
            break
        if cut.position >= first:
            last = cut.tensor
    if last is None:
        raise BackboneError(
            f"'{name}' has no feature map to put a head on.",
            cause="behind its first layer with weights, no tensor (batch, height, width, channels)"
            " separates its input from its output",
            todo="give a network of convolutions on one picture",
        )
    return last


def _fixed_size(model: keras.Model, name: str) -> int | None:
    """The side of the input; None where any will do. Raises BackboneError for any other input."""
    graph = is_nested(model) and bool(getattr(model, "inputs", None))
    shapes = [tuple(tensor.shape[1:]) for tensor in model.inputs] if graph else []
    if len(shapes) != 1 or len(model.outputs) != 1:
        raise BackboneError(
            f"'{name}' is no graph from one picture to one output.",
            cause=f"inputs: {shapes}" if graph else f"it is a {type(model).__name__}, not built",
            todo="give a functional model, or a Sequential one with an Input layer",
        )
    (shape,) = shapes
    if len(shape) != 3 or shape[2] != 3 or shape[0] != shape[1]:
        raise BackboneError(
            f"'{name}' does not take square RGB pictures.",
            cause=f"the shape of its input is {shape}; needed: (size, size, 3)",
            todo="save the model with such an input, or with (None, None, 3)",
        )
    return shape[0]


def _preprocesses(model: keras.Model) -> bool:
    """Whether arithmetic on the pixels stands in front of the first layer with weights."""
    for operation in _operations(model):
        if isinstance(operation, _INNER) or not isinstance(operation, keras.Layer):
            return True
        if operation.weights:
            return False
    return False


def _operations(model: keras.Model) -> Iterator[Any]:
    parts = model.layers if isinstance(model, keras.Sequential) else model.operations
    for part in parts:
        if is_nested(part):
            yield from _operations(part)
        else:
            yield part


def _augments(operation: object) -> bool:
    kind = type(operation)
    random = kind.__module__.startswith("keras.") and kind.__name__.startswith("Rand")
    # RandomCrop also makes the size right.
    return random and kind is not keras.layers.RandomCrop


def _as_ours(layer: keras.Layer, config: dict[str, Any]) -> dict[str, Any]:
    # A file holds the policy it was saved under.
    full = isinstance(layer, _INNER)
    config = {**config, "dtype": "float32" if full else keras.config.dtype_policy().name}
    if _NAMES_OF_HEADS.fullmatch(config["name"]):
        config["name"] = f"own_{config['name']}"
    return config
