"""Scoring a finished run again, on its own test part or on other pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tlpipe.artifact.classifier import Classifier, load, no_run
from tlpipe.config.load import read_yaml, validate
from tlpipe.config.source import name_of, whole
from tlpipe.data.groups import components, name_groups, names_of_groups
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import Picture, scan
from tlpipe.errors import ConfigError, DataError, RunError
from tlpipe.pipeline.atomic import read_json, write_json
from tlpipe.pipeline.run import Run, finish_command
from tlpipe.stages.evaluate import predict_rows, scored_how, write_predictions
from tlpipe.stages.inputs import MANIFEST, listed_like, open_manifest
from tlpipe.targets.target import Target
from tlpipe.words import counted, were

# Of each class or label.
SHOWN = ("precision", "recall", "F1")


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
        answers = predict_rows(classifier, manifest, rows, advance)
    target = classifier.target
    truth = target.truth([manifest.pictures[row].label for row in rows])
    how = {**scored_how(run), "groups": manifest.groups(rows)}
    metrics = target.scores(truth, answers, seed=run.seed, **how)
    show(metrics, target, console)
    return metrics


def evaluate_folder(folder: str | Path, data: str | Path, console: Console) -> dict:
    """Scores ``model.keras`` on other labelled pictures: a folder, a CSV or a TFDS data set.

    Writes ``evaluations/NAME/metrics.json`` and ``predictions.csv`` into the run folder.

    Raises:
        DataError: the data have a class or label that the model does not know, or no picture that
            it can read.
    """
    run = open_finished(folder, console)
    classifier = load(run.folder)
    listing = listed_like(run, data)
    target = classifier.target
    # Before the pictures are read: a label that the model does not know is an error.
    target.truth([file.label for file in listing.files])
    with run.progress("decoding") as advance:
        found = scan(listing, pixels=classifier.metadata.pixels, progress=advance)
    for bad in found.bad:
        run.say(f"  set aside: {bad.path}: {bad.cause}", style="yellow")
    if not found.pictures:
        raise DataError(
            f"None of the pictures in '{data}' can be used.",
            cause=found.bad[0].cause if found.bad else "there are none",
            todo="give a folder or table of pictures like those that the model was trained on",
        )
    manifest = Manifest(listing.root, tuple(_grouped(run, found.pictures)))
    rows = np.arange(len(manifest.pictures))
    truth = target.truth([picture.label for picture in manifest.pictures])
    with run.progress("predicting") as advance:
        answers = predict_rows(classifier, manifest, rows, advance)
    how = {**scored_how(run), "groups": manifest.groups(rows)}
    metrics = target.scores(truth, answers, seed=run.seed, **how)
    place = _place(run, data)
    write_predictions(place / "predictions.csv", manifest, rows, answers, target)
    write_json(place / "metrics.json", {"data": whole(str(data)), **metrics})
    show(metrics, target, console)
    new = _new_pictures(run, found.pictures, console)
    if new.any() and not new.all():
        how["groups"] = manifest.groups(rows[new])
        rest = target.scores(truth[new], answers[new], seed=run.seed, **how)
        told = f"Without them: {target.headline(rest)}"
        console.print(told, markup=False, highlight=False)
    console.print(f"written to {place}", highlight=False)
    return metrics


def _grouped(run: Run, pictures: list[Picture]) -> list[Picture]:
    """The pictures with their groups: those given, and those that the run's pattern names."""
    try:
        names = names_of_groups(pictures, run.pipeline.stages["split"].group, [])
    except ConfigError as error:
        run.say(f"  {error.what}", style="yellow")
        if not any(picture.group for picture in pictures):
            run.say("  Each counts by itself in the intervals.", style="yellow")
        return pictures
    group_of = name_groups(components(pictures, [], names), names)
    return [replace(picture, group=group_of[picture.path]) for picture in pictures]


def _place(run: Run, data: str | Path) -> Path:
    """``evaluations/NAME``, with a number behind it where other data of that name have it."""
    name, number = name_of(data), 1
    place = run.path("evaluations") / name
    while (place / "metrics.json").exists():
        if read_json(place / "metrics.json").get("data") == whole(str(data)):
            break
        number += 1
        place = place.with_name(f"{name}-{number}")
    return place


def _new_pictures(run: Run, pictures: Sequence[Picture], console: Console) -> np.ndarray:
    """Which pictures the model was not trained on, bool (n,); warns when there are others."""
    known = {p.sha256 for p in open_manifest(run).pictures if p.split in ("train", "val")}
    new = np.array([picture.sha256 not in known for picture in pictures])
    known_here = int((~new).sum())
    if known_here:
        console.print(
            f"Warning: {known_here} of {counted(len(new), 'picture')} {were(known_here)} used in "
            "training; this score flatters the model.",
            style="yellow",
        )
    return new


def show(metrics: dict, target: Target, console: Console) -> None:
    """The headline, and a table with a row a class or label."""
    told = f"{counted(metrics['n'], 'picture')}: {target.headline(metrics)}"
    console.print(told, markup=False, highlight=False)
    rows = metrics.get("per_class") or metrics.get("per_label")
    if not rows:
        return
    table = Table("label" if target.kind == "labels" else "class", *SHOWN, "pictures")
    for name, row in rows.items():
        scores = ["-" if row[k.lower()] is None else f"{row[k.lower()]:.3f}" for k in SHOWN]
        # As Text: a name in brackets would be taken for markup.
        table.add_row(Text(name), *scores, str(row["support"]))
    console.print(table)
