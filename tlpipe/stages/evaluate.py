"""Evaluate: the saved file, on validation and, once, on test."""

from __future__ import annotations

import csv

import numpy as np

from tlpipe.artifact.classifier import load
from tlpipe.data.loader import batches
from tlpipe.data.manifest import Manifest
from tlpipe.data.sample import Sampler
from tlpipe.metrics.bootstrap import with_intervals
from tlpipe.metrics.scores import majority
from tlpipe.pipeline.atomic import write_json, writing
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import MANIFEST, open_manifest
from tlpipe.stages.select import MODEL

METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"


class EvaluateStage(Stage):
    """Loads ``model.keras`` back from the disk, so that what is scored is what is used."""

    name = "evaluate"
    reads = (MANIFEST, MODEL)
    writes = (METRICS, PREDICTIONS)

    def run(self, run: Run) -> str:
        """Scores both parts with bootstrap intervals; one row of predictions a test picture."""
        manifest = open_manifest(run)
        classifier = load(run.path(MODEL))
        metrics = {}
        for part in ("val", "test"):
            rows = manifest.indices(part)
            if not len(rows):
                continue
            with run.progress(part) as advance:
                probabilities = predict_rows(classifier, manifest, rows, advance)
            metrics[part] = with_intervals(
                manifest.labels[rows],
                probabilities,
                classifier.class_names,
                seed=run.seed,
                resamples=self.settings.resamples,
            )
        last = "test" if "test" in metrics else "val"
        write_predictions(
            run.path(PREDICTIONS), manifest, rows, probabilities, classifier.class_names
        )
        write_json(run.path(METRICS), metrics)
        return f"{last}: {headline(metrics[last])}"


def predict_rows(classifier, manifest: Manifest, rows: np.ndarray, advance) -> np.ndarray:
    """Probabilities, float32 (n, classes), of the manifest's pictures in ``rows``."""
    about = classifier.metadata
    sampler = Sampler(manifest, about.size, about.resize, pixels=about.pixels)
    found = []
    for pictures, _ in batches(sampler, rows, view=None, batch_size=32):
        found.append(classifier.predict_arrays(pictures))
        advance(sum(map(len, found)), len(rows))
    return np.concatenate(found)


def write_predictions(path, manifest: Manifest, rows, probabilities, names) -> None:
    """CSV: path, label, predicted, and a probability for each class in ``names``."""
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "predicted", *(f"p:{name}" for name in names)])
        for row, p in zip(rows, probabilities, strict=True):
            picture = manifest.pictures[row]
            numbers = [f"{float(value):.9g}" for value in p]
            writer.writerow([picture.path, picture.label, names[int(p.argmax())], *numbers])


def headline(metrics: dict) -> str:
    """The scores that matter most, with their intervals, in one line."""
    shown = []
    for name, key in (("accuracy", "accuracy"), ("AUC", "auc"), ("macro-F1", "macro_f1")):
        value, interval = metrics[key], metrics["intervals"][key]
        if value is not None:
            between = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
            shown.append(f"{name} {value:.3f}{between}")
    common, share = majority(metrics)
    return f"{', '.join(shown)} (always '{common}': {share:.3f})"
