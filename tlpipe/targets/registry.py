"""Which target a run or a saved model has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlpipe.data.folder import natural_key
from tlpipe.errors import DataError
from tlpipe.targets.classes import Classes
from tlpipe.targets.labels import Labels
from tlpipe.targets.number import Number, parse
from tlpipe.targets.target import Target
from tlpipe.targets.text import names_in

if TYPE_CHECKING:
    from tlpipe.data.folder import Found
    from tlpipe.data.manifest import Manifest

TARGETS: dict[str, type[Target]] = {kind.kind: kind for kind in (Classes, Labels, Number)}
# Bins of numbers that the split deals out evenly, and pictures each of them needs at least.
_BINS, _IN_A_BIN = 10, 20


def target_of(kind: str, manifest: Manifest, name: str = "number") -> Target:
    """The target that the pictures of a manifest have.

    Args:
        kind: ``class``, ``labels`` or ``number``.
        manifest: its labels.
        name: of a number.

    Raises:
        DataError: a label that is no number, numbers that are all equal, no label at all.
    """
    if kind == "class":
        return Classes(manifest.class_names)
    if kind == "labels":
        return Labels(label_names([p.label for p in manifest.pictures]))
    values = [parse(p.label, p.path) for p in manifest.pictures if p.split == "train"]
    return Number(name, float(np.mean(values)), float(np.std(values)) or 1.0)


def target_named(kind: str, names: Sequence[str], thresholds: Sequence[float] = ()) -> Target:
    """The target of a saved model, whose answers are final."""
    if kind == "class":
        return Classes(names)
    return Labels(names, thresholds) if kind == "labels" else Number(names[0])


def label_names(labels: Sequence[str]) -> list[str]:
    """Every label there is, in natural order. Raises DataError when there is none."""
    found = sorted({name for label in labels for name in names_in(label)}, key=natural_key)
    if not found:
        raise DataError(
            "No picture has a label.",
            cause="--target labels needs names in the label column, several joined by |",
            todo="name the column that holds them with --label",
        )
    return found


def check_labels(kind: str, files: Sequence[Found]) -> None:
    """What can be said of the labels before a picture is read. Raises DataError."""
    if kind == "labels":
        label_names([file.label for file in files])
    if kind == "number":
        values = {parse(file.label, file.path) for file in files}
        if len(values) < 2:
            raise DataError(
                f"All {len(files)} pictures have the same number.",
                todo="name the column that holds the numbers with --label",
            )


def strata(kind: str, labels: Sequence[str]) -> list[str]:
    """What the split deals out evenly where that is not the class: a name for each picture.

    Of several labels the rarest (as Sechidis et al. 2011 deal them: the rarest first);
    of numbers, the tenth of the pictures that it lies in, or a larger share where they are few.
    """
    if kind == "labels":
        names = [names_in(label) for label in labels]
        counts: dict[str, int] = {}
        for name in (name for row in names for name in row):
            counts[name] = counts.get(name, 0) + 1
        return [min(row, key=lambda name: (counts[name], name), default="") for row in names]
    values = np.array([parse(label) for label in labels])
    bins = max(1, min(_BINS, len(values) // _IN_A_BIN))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return [str(i) for i in np.searchsorted(edges, values, side="right")]
