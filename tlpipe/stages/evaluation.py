"""Scoring a finished run again, on its own test part or on other pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tlpipe.artifact.classifier import Classifier, load, no_run
from tlpipe.config.load import read_yaml, validate
from tlpipe.data.folder import list_folder
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import scan
from tlpipe.errors import DataError, RunError
from tlpipe.metrics.bootstrap import with_intervals
from tlpipe.pipeline.atomic import write_json
from tlpipe.pipeline.run import Run, finish_command
from tlpipe.stages.evaluate import headline, predict_rows, write_predictions
from tlpipe.stages.inputs import MANIFEST, open_manifest
from tlpipe.words import counted, were


def open_finished(folder: str | Path, console: Console) -> Run:
    """A run folder as :class:`Run`. Raises RunError when it is not one."""
    path = Path(folder)
    config = path / "config.yaml"
    if not config.exists():
        raise no_run(folder)
    return Run(path, validate(read_yaml(config), where=config), console)


def open_checked_manifest(run: Run, classifier: Classifier) -> Manifest:
    """The run's split, which must be the model's, with its pictures as they were.

    Raises:
        RunError: the model was made on another split.
        DataError: pictures are missing or were changed since the split.
    """
    manifest = open_manifest(run)
    if manifest.digest != classifier.metadata.split:
        raise RunError(
            f"The manifest of '{run.folder}' is not the one its model was trained on.",
            cause="manifest.csv was edited or replaced",
            todo="restore it, or train again",
        )
    with run.progress("checking pictures") as advance:
        manifest.verify(progress=advance)
    return manifest


def evaluate_run(folder: str | Path, console: Console) -> dict:
    """Scores ``model.keras`` again on the test part of its own manifest.

    Raises:
        RunError: not a run folder, or a model made on another split.
        DataError: pictures are missing or were changed since the split.
    """
    run = open_finished(folder, console)
    classifier = load(run.folder)
    if not run.path(MANIFEST).exists():
        raise RunError(
            f"'{folder}' has no manifest.csv.",
            todo=f"finish the run: `{finish_command(run.folder)}`",
        )
    manifest = open_checked_manifest(run, classifier)
    rows = manifest.indices("test")
    if not len(rows):
        rows = manifest.indices("val")
    with run.progress("predicting") as advance:
        probabilities = predict_rows(classifier, manifest, rows, advance)
    metrics = with_intervals(
        manifest.labels[rows], probabilities, classifier.class_names, seed=run.seed
    )
    show(metrics, console)
    return metrics


def evaluate_folder(folder: str | Path, data: str | Path, console: Console) -> dict:
    """Scores ``model.keras`` on another folder of labelled pictures.

    Writes ``evaluations/NAME/metrics.json`` and ``predictions.csv`` into the run folder.

    Raises:
        DataError: the folder has a class the model does not know.
    """
    run = open_finished(folder, console)
    classifier = load(run.folder)
    listing = list_folder(Path(data), least=1)
    unknown = [name for name in listing.class_names if name not in classifier.class_names]
    if unknown:
        raise DataError(
            f"The class '{unknown[0]}' in '{data}' is unknown to the model.",
            cause=f"it knows {', '.join(classifier.class_names)}",
            todo="rename the folder, or train on these classes",
        )
    with run.progress("decoding") as advance:
        found = scan(listing, pixels=classifier.metadata.pixels, progress=advance)
    for bad in found.bad:
        run.say(f"  set aside: {bad.path}: {bad.cause}", style="yellow")
    manifest = Manifest(listing.root, tuple(found.pictures))
    order = {name: i for i, name in enumerate(classifier.class_names)}
    labels = [order[picture.label] for picture in manifest.pictures]
    with run.progress("predicting") as advance:
        probabilities = predict_rows(classifier, manifest, range(len(labels)), advance)
    metrics = with_intervals(labels, probabilities, classifier.class_names, seed=run.seed)
    target = run.path("evaluations") / listing.root.resolve().name
    write_predictions(
        target / "predictions.csv",
        manifest,
        range(len(labels)),
        probabilities,
        classifier.class_names,
    )
    write_json(target / "metrics.json", metrics)
    show(metrics, console)
    _warn_of_training_pictures(run, found.pictures, labels, probabilities, classifier, console)
    console.print(f"written to {target}", highlight=False)
    return metrics


def _warn_of_training_pictures(run, pictures, labels, probabilities, classifier, console) -> None:
    """Says how many of the pictures the model was trained on, and the score without them."""
    known = {p.sha256 for p in open_manifest(run).pictures if p.split in ("train", "val")}
    new = np.array([picture.sha256 not in known for picture in pictures])
    known_here = int((~new).sum())
    if not known_here:
        return
    console.print(
        f"Warning: {known_here} of {counted(len(new), 'picture')} {were(known_here)} used in "
        "training; "
        "this score flatters the model.",
        style="yellow",
    )
    if new.any():
        rest = with_intervals(
            np.asarray(labels)[new], probabilities[new], classifier.class_names, seed=run.seed
        )
        console.print(f"Without them: {headline(rest)}", markup=False, highlight=False)


def show(metrics: dict, console: Console) -> None:
    """The headline, and a table with a row a class."""
    told = f"{counted(metrics['n'], 'picture')}: {headline(metrics)}"
    console.print(told, markup=False, highlight=False)
    table = Table("class", "precision", "recall", "F1", "pictures")
    for name, row in metrics["per_class"].items():
        scores = ["-" if row[k] is None else f"{row[k]:.3f}" for k in ("precision", "recall", "f1")]
        table.add_row(name, *scores, str(row["support"]))
    console.print(table)
