"""Evaluate: the saved file, on validation and, once, on test."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np

from tlpipe.artifact.classifier import load
from tlpipe.config.settings import Evaluate
from tlpipe.data.loader import batches
from tlpipe.data.manifest import Manifest
from tlpipe.data.sample import Sampler
from tlpipe.errors import ConfigError
from tlpipe.pipeline.atomic import write_json, writing
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.inputs import MANIFEST, open_manifest
from tlpipe.stages.select import MODEL
from tlpipe.targets.target import Target
from tlpipe.training.devices import padded

METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"


class EvaluateStage(Stage):
    """Loads ``model.keras`` back from the disk, so that what is scored is what is used."""

    name = "evaluate"
    reads = (MANIFEST, MODEL)
    writes = (METRICS, PREDICTIONS)

    def check(self, run: Run) -> None:
        """``above``, which is for a number."""
        kind = run.pipeline.stages["scan"].target
        if self.settings.above is not None and kind != "number":
            raise ConfigError(
                f"'evaluate.above' is for a number to predict, and the target is '{kind}'.",
                todo="leave it out, or add --target number",
            )

    def run(self, run: Run) -> str:
        """Scores both parts with bootstrap intervals; one row of predictions a test picture."""
        manifest = open_manifest(run)
        classifier = load(run.path(MODEL))
        target, how = classifier.target, scored_how(run)
        metrics = {}
        for part in ("val", "test"):
            if not len(manifest.indices(part)):
                continue
            rows = manifest.indices(part)
            with run.progress(part) as advance:
                answers = predict_rows(classifier, manifest, rows, advance)
            truth = target.truth([manifest.pictures[row].label for row in rows])
            how["groups"] = manifest.groups(rows)
            metrics[part] = target.scores(truth, answers, seed=run.seed, **how)
        last = "test" if "test" in metrics else "val"
        write_predictions(run.path(PREDICTIONS), manifest, rows, answers, target)
        write_json(run.path(METRICS), metrics)
        return f"{last}: {target.headline(metrics[last])}"


def scored_how(run: Run) -> dict[str, Any]:
    """What the settings say of scoring, as arguments of ``Target.scores``."""
    # A pipeline may leave scoring to `tlpipe evaluate`.
    settings = run.pipeline.stages.get("evaluate") or Evaluate()
    above = {} if settings.above is None else {"above": settings.above}
    return {"resamples": settings.resamples, **above}


def predict_rows(classifier, manifest: Manifest, rows: np.ndarray, advance) -> np.ndarray:
    """Answers, float32 (n, outputs), to the manifest's pictures in ``rows``."""
    about = classifier.metadata
    sampler = Sampler(manifest, about.size, about.resize, pixels=about.pixels)
    found, size = [], min(32, len(rows))
    for pictures, _ in batches(sampler, rows, view=None, batch_size=size):
        # All batches of one size: another one would be compiled for seconds.
        answers = classifier.predict_arrays(padded(pictures, size - len(pictures)))
        found.append(answers[: len(pictures)])
        advance(sum(map(len, found)), len(rows))
    return np.concatenate(found)


def write_predictions(path, manifest: Manifest, rows, answers, target: Target) -> None:
    """CSV: path, label, predicted, and the probability of each name, where there are any."""
    shown = target.names if target.kind != "number" else ()
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "predicted", *(f"p:{name}" for name in shown)])
        for row, answer in zip(rows, answers, strict=True):
            picture = manifest.pictures[row]
            numbers = [f"{float(value):.9g}" for value in answer[: len(shown)]]
            writer.writerow([picture.path, picture.label, target.say(answer), *numbers])
