"""What a person may name: a backbone, a run folder, a ``.keras`` file. All become a network."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import yaml

from tlpipe.artifact import model_file
from tlpipe.backbones import hub, own_file, registry
from tlpipe.backbones.blocks import boundary, find_blocks
from tlpipe.backbones.build import build, input_size
from tlpipe.backbones.classic import table
from tlpipe.backbones.efficientnet_lite import efficientnet_lite
from tlpipe.backbones.flatten import flatten, is_nested
from tlpipe.data.folder import folder_meant
from tlpipe.errors import BackboneError, RunError
from tlpipe.inspect.head import backbone_end
from tlpipe.pipeline.atomic import read_json

_MODEL, _CONFIG, _UNFROZEN = "model.keras", "config.yaml", "stages/unfreeze/facts.json"
# What the classic networks were published for, where it is not ImageNet.
_CLASSES = {"lenet5": 10}


@dataclass(frozen=True)
class Network:
    """A network and where it comes from.

    Attributes:
        model: its layers' trainable flags tell what trains.
        name: for headings.
        source: in words, what was opened.
        trains: in words, what trains.
    """

    model: keras.Model
    name: str
    source: str
    trains: str


def open_network(
    what: str,
    *,
    size: int | None = None,
    top: bool = False,
    weights: str = "none",
    unfreeze: str | None = None,
) -> Network:
    """Opens what ``tlpipe inspect`` is asked about.

    Args:
        what: name of a backbone, a run folder, or a ``.keras`` file (read in safe mode).
        size: input height and width in pixels; the network's own when None.
        top: for a backbone's name: with the network's own classifier, as Keras ships it.
        weights: for a backbone's name: as for ``backbones.build``; not with ``top``.
        unfreeze: what trains, as for ``tlpipe finetune --unfreeze``; BatchNorm then stays frozen.
            None: what the run trained; of any other network all.

    Raises:
        TlpipeError: there is no such network, or it can't be opened or resized.
    """
    if top and weights != "none":
        raise BackboneError(
            f"'{what}' with its own classifier has no weights here.",
            todo="leave --top away, or --weights and --first-layer",
        )
    if _is_path(what):
        if top:
            raise BackboneError("--top goes with the name of a backbone.", where=what)
        network = _from_disk(Path(what))
        if size is not None:
            network = replace(network, model=_resized(network.model, size))
    else:
        network = _with_top(what, size) if top else _named(what, size, weights)
    if unfreeze is None:
        return network
    trained = _train_from(network.model, unfreeze)
    return replace(network, trains=", ".join(trained) or "nothing")


def _is_path(what: str) -> bool:
    """A folder that happens to be called like a backbone does not hide the backbone."""
    if what in registry.names() or what.startswith(hub.PREFIX):
        return False
    path = Path(what)
    return path.exists() or path.suffix == ".keras" or len(path.parts) > 1


def _named(name: str, size: int | None, weights: str) -> Network:
    built = build(name, weights=weights, size=size)
    return Network(built.model, built.spec.name, f"backbone, weights: {built.weights}", "all of it")


def _with_top(name: str, size: int | None) -> Network:
    spec = registry.get(name)
    size = input_size(spec, size)
    if spec.kind == "lite":
        model = efficientnet_lite(spec.builder, size, include_top=True)
    elif spec.kind == "classic":
        body = build(spec.name, weights="none", size=size).model
        # AlphaGo's policy has a move for each place of the board.
        moves = math.prod(body.outputs[0].shape[1:3]) if spec.name == "alphago" else 1000
        classes = _CLASSES.get(spec.name, moves)
        model = keras.Model(
            body.inputs[0], table.load(spec.name).top(body.outputs[0], classes), name=spec.name
        )
    else:
        constructor = getattr(keras.applications, spec.builder)
        model = constructor(weights=None, include_top=True, input_shape=(size, size, 3))
    source = "backbone with its own classifier, no weights"
    return Network(_flat(model, weights=False), spec.name, source, "all of it")


def _flat(model: keras.Model, *, weights: bool = True) -> keras.Model:
    """Without models inside it, so that its blocks can be told."""
    nested = any(is_nested(layer) for layer in model.layers)
    one = len(model.inputs) == len(model.outputs) == 1
    return flatten(model, weights=weights) if nested and one else model


def _from_disk(path: Path) -> Network:
    if path.is_dir():
        if not (path / _MODEL).is_file():
            raise RunError(
                f"There is no model in '{path}'.",
                cause="it is no run folder, or the run has not got that far",
                todo="finish it with `tlpipe finetune`, the same flags again",
            )
        return _from_run(path, path / _MODEL)
    if not path.is_file():
        raise RunError(
            f"There is no run folder and no file '{path}'.",
            todo=folder_meant(path)
            or "check the path; `tlpipe backbones` lists the backbones by name",
        )
    if _is_ours(path):
        return _from_run(path.parent, path)
    model = own_file.load(str(path))
    if not getattr(model, "inputs", None):
        raise BackboneError(
            "The model has no layer graph to look at.",
            where=path,
            cause="it is a subclass of keras.Model or was never built",
            todo="save it as a functional model",
        )
    return Network(_flat(model), path.stem, f"file {path.name}", "what the file says")


def _is_ours(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return model_file.MEMBER in archive.namelist()
    except zipfile.BadZipFile:
        return False


def _from_run(folder: Path, file: Path) -> Network:
    model, metadata = model_file.load(file)
    source = f"{metadata.backbone} of {file}, kept: {metadata.kept}"
    facts = folder / _UNFROZEN
    if metadata.kept == "head":
        trained = ["head"]
    elif facts.is_file():
        trained = read_json(facts)["trained"]
    else:
        source += "; without its run folder it is not known which blocks were trained"
        return Network(model, metadata.backbone, source, "not known")
    batch_norm = False
    if (folder / _CONFIG).is_file():
        stages = yaml.safe_load((folder / _CONFIG).read_text(encoding="utf-8"))["stages"]
        batch_norm = (stages.get("unfreeze") or {}).get("batch_norm", False)
    first = trained[0] if trained[0] != "head" else "none"
    _train_from(model, first, batch_norm=batch_norm)
    return Network(model, metadata.backbone, source, ", ".join(trained))


def _train_from(model: keras.Model, first: str, *, batch_norm: bool = False) -> list[str]:
    """Freezes what lies before the block ``first``; returns the names of what trains."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise BackboneError(
            "A network with several inputs or outputs is not cut into blocks.",
            todo="leave --unfreeze away",
        )
    end = backbone_end(model)
    headless = end is model.outputs[0]
    body = model if headless else keras.Model(model.inputs[0], end)
    where = boundary(body, first)
    frozen = {
        name for block in find_blocks(body) if block.name in where.frozen for name in block.layers
    }
    for layer in model.layers:
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name not in frozen and (batch_norm or not normalises)
    return [*where.trained, *([] if headless else ["head"])]


def _resized(model: keras.Model, size: int) -> keras.Model:
    """The same graph on pictures of another size, with new weights: enough to count."""
    given = model.inputs[0]
    image = keras.Input((size, size, given.shape[-1]), dtype=given.dtype, name="image")
    cause = "a dense layer on a flattened map ties its weights to one size"
    try:
        resized = keras.models.clone_model(model, input_tensors=image)
    # Whatever a layer says to a shape it was not made for.
    except Exception as error:
        resized, cause = None, " ".join(str(error).split())[:400]
    # A Keras clone makes itself other weights without a word.
    if resized is None or resized.count_params() != model.count_params():
        raise BackboneError(
            f"'{model.name}' can't take pictures of {size} px.",
            cause=cause,
            todo="leave --size away, or give the size it was made for",
        )
    # Clones are made trainable, whatever the layers were.
    for new in resized.layers:
        if not isinstance(new, keras.layers.InputLayer):
            new.trainable = model.get_layer(new.name).trainable
    return resized
