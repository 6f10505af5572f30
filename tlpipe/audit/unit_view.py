"""``tlpipe explain --unit``: what a unit of a run's network looks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlpipe.artifact.classifier import Classifier, find_pictures
from tlpipe.audit.places import box, field_of, unit_tensor
from tlpipe.audit.readable import read
from tlpipe.audit.unit_words import sentences
from tlpipe.errors import DataError
from tlpipe.explain.network import BATCH
from tlpipe.explain.unit_panel import Example, draw
from tlpipe.explain.units import Unit, View
from tlpipe.pipeline.atomic import write_json

Advance = Callable[[int, int], None]
SCHEMA = 1
_TOP = 9


@dataclass(frozen=True)
class UnitDrawn:
    """What became of a unit: the PNG, the JSON beside it, what is in that, and it in words."""

    panel: Path
    json: Path
    facts: dict[str, Any]
    sentences: list[str]


@dataclass(frozen=True)
class _Hit:
    file: Path
    activation: float
    place: tuple[int, int]
    pixels: np.ndarray


def draw_unit(
    classifier: Classifier,
    unit: str,
    paths: Iterable[str | Path],
    out: Path,
    *,
    seed: int = 0,
    progress: Advance | None = None,
) -> UnitDrawn:
    """Writes the panel of a unit and, beside it, its JSON.

    In the JSON ``position`` is row and column in the feature map, and ``box`` top, left, bottom and
    right of what the unit sees from there, the last two not included, in pixels of the square of
    ``size`` pixels that the network takes.

    Args:
        classifier: the model.
        unit: ``BLOCK:CHANNEL``.
        paths: pictures and folders of pictures.
        out: folder of the two files.
        seed: of activation maximisation.
        progress: takes (done, total).

    Raises:
        ConfigError: not ``BLOCK:CHANNEL``.
        BackboneError: no such block or channel, or the block has no feature maps.
        DataError: no picture was found, or none can be read.
    """
    tensor, block, channel = unit_tensor(classifier.model, unit)
    files = find_pictures(paths)
    network = Unit(classifier.model, tensor, channel)
    hits, errors = _strongest(classifier, network, files, progress)
    views = network.views(np.stack([hit.pixels for hit in hits]), [hit.place for hit in hits])
    ideal, no_ideal = _ideal(network, seed)
    field = field_of(classifier.model, tensor)
    boxes = [box(field, hit.place, classifier.metadata.size) for hit in hits]
    facts = {
        "schema": SCHEMA,
        "block": block,
        "channel": channel,
        "size": classifier.metadata.size,
        "map": list(tensor.shape[1:3]),
        "field": field.size and list(field.size),
        "sees_all": field.whole,
        "pictures": len(files) - len(errors),
        "views": [{"method": view.method, "note": view.note} for view in views],
        "maximised": None,
        "maximised_note": no_ideal,
        "top": [
            {
                "path": str(hit.file),
                "activation": hit.activation,
                "position": list(hit.place),
                "box": list(edges),
            }
            for hit, edges in zip(hits, boxes, strict=True)
        ],
        "unreadable": errors,
    }
    ideal_title = ""
    if ideal is not None:
        reached = float(network.responses(ideal[None])[0][0])
        facts["maximised"] = {"seed": seed, "activation": reached}
        ideal_title = f"made to excite it: {reached:.3g}"
    lines = sentences(facts)
    panel = draw(
        out / f"unit_{block}_{channel}.png",
        [_example(hit, views, at, boxes[at]) for at, hit in enumerate(hits)],
        title=f"Channel {channel} of block '{block}': what it looks for",
        lines=lines,
        ideal=ideal,
        ideal_title=ideal_title,
    )
    target = panel.with_suffix(".json")
    write_json(target, facts)
    return UnitDrawn(panel, target, facts, lines)


def _strongest(
    classifier: Classifier, network: Unit, files: Sequence[Path], progress: Advance | None
) -> tuple[list[_Hit], list[dict[str, str]]]:
    """The pictures that excite the unit most, strongest first, and the files that can't be read."""
    hits: list[_Hit] = []
    bad: list[dict[str, str]] = []
    for start in range(0, len(files), BATCH):
        chunk = files[start : start + BATCH]
        pictures, errors = read(classifier.metadata, chunk)
        bad += [{"path": str(chunk[number]), "error": why} for number, why in errors.items()]
        if pictures:
            found = zip(*network.responses(np.stack(list(pictures.values()))), strict=True)
            hits += [
                _Hit(chunk[number], float(activation), tuple(map(int, place)), pictures[number])
                for number, (activation, place) in zip(pictures, found, strict=True)
            ]
        # Sorting is stable: of equals the first ones stay.
        hits = _different(sorted(hits, key=lambda hit: -hit.activation))[:_TOP]
        if progress:
            progress(start + len(chunk), len(files))
    if not hits:
        raise DataError(
            f"None of the {len(files)} pictures can be read.",
            where=bad[0]["path"],
            cause=bad[0]["error"],
        )
    return hits, bad


def _different(hits: Sequence[_Hit]) -> list[_Hit]:
    """Without those whose pixels are another one's, which would say the same again."""
    first: dict[bytes, _Hit] = {}
    for hit in hits:
        first.setdefault(hit.pixels.tobytes(), hit)
    return list(first.values())


def _ideal(network: Unit, seed: int) -> tuple[np.ndarray | None, str]:
    """The picture that excites the unit most, float32 (s, s, channels), or why there is none."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        return None, f"tf-keras-vis needs TensorFlow, and the backend is {backend}"
    try:
        library = import_module("tlpipe.explain.maximise_tensorflow")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tlpipe"):
            raise
        return None, f"'{error.name}' is not installed"
    return library.maximise(network.part, network.channel, seed=seed), ""


def _example(
    hit: _Hit, views: Sequence[View], at: int, edges: tuple[int, int, int, int]
) -> Example:
    top, left, bottom, right = edges
    part = (slice(top, bottom), slice(left, right))
    gradients = [view.gradients[at][part] for view in views]
    return Example(hit.pixels[part], gradients, hit.file.name, hit.activation)
