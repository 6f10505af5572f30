"""Report: history, plots, and the model card that makes the run folder readable."""

from __future__ import annotations

import csv
import time
from collections import Counter
from typing import Any

import numpy as np

from tlpipe.artifact.model_file import own_layers
from tlpipe.audit import answer_plots
from tlpipe.audit.card import model_card
from tlpipe.audit.plots import confusion_matrix, learning_curves, reliability
from tlpipe.data.manifest import Manifest
from tlpipe.pipeline.atomic import read_json, write_text, writing
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.evaluate import METRICS, PREDICTIONS
from tlpipe.stages.inputs import BACKBONE, MANIFEST, open_manifest, open_target
from tlpipe.stages.scan import BAD, DUPLICATES, SCAN
from tlpipe.stages.select import CHOICE, MODEL, versions
from tlpipe.stages.split import NOTES
from tlpipe.stages.unfreeze import HEAD_FACTS, UNFROZEN_FACTS
from tlpipe.words import counted, were

HISTORY = "history.csv"
CURVES = "plots/learning_curves.svg"
CARD = "README.md"

# What is drawn of the predictions.
_PLOTS = {
    "class": ("confusion matrix", "reliability"),
    "labels": ("label scores", "reliability"),
    "number": ("true and predicted", "errors"),
}


class ReportStage(Stage):
    """What a stranger needs to understand the run."""

    name = "report"
    reads = (
        SCAN,
        NOTES,
        MANIFEST,
        BACKBONE,
        HEAD_FACTS,
        UNFROZEN_FACTS,
        CHOICE,
        MODEL,
        METRICS,
        PREDICTIONS,
    )
    writes = (HISTORY, CURVES, CARD)

    def run(self, run: Run) -> str:
        """Writes history.csv, the plots and README.md; names the set-aside files once more."""
        head, unfrozen = read_json(run.path(HEAD_FACTS)), read_json(run.path(UNFROZEN_FACTS))
        choice, metrics = read_json(run.path(CHOICE)), read_json(run.path(METRICS))
        history = head["history"] + unfrozen["history"]
        _write_history(run.path(HISTORY), history)
        step, facts = ("head", head) if choice["kept"] == "head" else ("unfreeze", unfrozen)
        curves = learning_curves(history, kept=(step, facts["best_epoch"]))
        write_text(run.path(CURVES), curves)
        part = metrics.get("test") or metrics["val"]
        manifest = open_manifest(run)
        for title, plot in _plots(run, manifest, part).items():
            write_text(run.path(_plot_file(title)), plot)
        write_text(run.path(CARD), model_card(card_facts(run, manifest)))
        bad = _rows(run, BAD)
        if bad:
            shown = ", ".join(row["path"] for row in bad[:5])
            more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
            told = f"{counted(len(bad), 'file')} {were(len(bad))} set aside"
            run.say(f"  {told}: {shown}{more} (see {BAD})", style="yellow")
        return f"model card in {run.path(CARD)}"


def card_facts(run: Run, manifest: Manifest) -> dict[str, Any]:
    """Everything the model card states, read back from the run folder."""
    backbone, choice = read_json(run.path(BACKBONE)), read_json(run.path(CHOICE))
    stages, notes = run.pipeline.stages, read_json(run.path(NOTES))
    scan = stages["scan"]
    counts: dict[str, Counter] = {}
    target = open_target(run, manifest)
    for picture in manifest.pictures:
        column = picture.label if target.kind == "class" else "pictures"
        counts.setdefault(picture.split, Counter())[column] += 1
    metrics = read_json(run.path(METRICS))
    groups = {row["group"]: row for row in _rows(run, DUPLICATES)}.values()
    facts = {
        "name": run.folder.name,
        "target": target.kind,
        "class_names": list(target.names),
        "headline": target.headline(metrics["test"]) if "test" in metrics else "",
        "date": time.strftime("%Y-%m-%d"),
        "run": str(run.folder),
        "input": {
            "size": backbone["size"],
            "resize": stages["prepare"].resize,
            "channels": scan.channels,
            "range": None if (scan.low, scan.high) == (0, 255) else (scan.low, scan.high),
        },
        "own_layers": own_layers(run.path(MODEL)),
        "data": {
            "root": scan.data,
            "counts": {
                part: dict(counts[part]) for part in ("train", "val", "test") if part in counts
            },
            "set_aside": _rows(run, BAD) + notes["set_aside"],
            "duplicates": {
                "exact": sum(row["kind"] == "exact" for row in groups),
                "near": sum(row["kind"] == "near" for row in groups),
                "conflicting": sum(row["labels_conflict"] == "True" for row in groups),
            },
            "grouped": _grouped(run),
            "notes": notes["notes"],
        },
        "recipe": {
            "backbone": backbone["name"],
            "weights": backbone["weights"],
            "augmentation": stages["prepare"].augment,
            "steps": _steps(run, backbone),
        },
        "metrics": metrics,
        "plots": {
            "learning curves": CURVES,
            **{title: _plot_file(title) for title in _PLOTS[target.kind]},
        },
        "provenance": {
            "seed": run.seed,
            "split": manifest.digest,
            "weights": backbone["weights_sha256"] or "initialised at random",
            "device": backbone["device"],
            "precision": f"{backbone['policy']} ({backbone['policy_reason']})",
            "versions": versions(),
        },
    }
    if "verdict" in choice:
        facts["unfreezing"] = {
            "verdict": choice["verdict"],
            "score": choice["score"],
            "difference": {key: choice[key] for key in ("value", "low", "high")},
            "kept": choice["kept"],
        }
    return facts


def _grouped(run: Run) -> bool | None:
    """Whether pictures were kept together in groups that somebody named; None of given parts."""
    pictures = read_json(run.path(SCAN))["pictures"]
    if all(picture["split"] for picture in pictures):
        return None
    named = any(picture["group"] for picture in pictures)
    return named or run.pipeline.stages["split"].group is not None


def _steps(run: Run, backbone: dict) -> list[dict[str, Any]]:
    names = [block["name"] for block in backbone["blocks"]]
    steps = []
    for step, path in (("head", HEAD_FACTS), ("unfreeze", UNFROZEN_FACTS)):
        facts = read_json(run.path(path))
        if facts["trained"]:
            steps.append(
                {
                    "step": step,
                    "trained": facts["trained"],
                    "frozen": [name for name in names if name not in facts["trained"]],
                    "epochs": len(facts["history"]),
                    "best_epoch": facts["best_epoch"],
                    "learning_rate": run.pipeline.stages[step].learning_rate,
                    "batch_size": facts["batch_size"],
                }
            )
    return steps


def _rows(run: Run, name: str) -> list[dict[str, str]]:
    with run.path(name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _plots(run: Run, manifest: Manifest, scores: dict) -> dict[str, str]:
    """Title to SVG, of the predictions that ``scores`` are of."""
    target, rows = open_target(run, manifest), _rows(run, PREDICTIONS)
    truth = target.truth([row["label"] for row in rows])
    if target.kind == "number":
        answers = np.array([float(row["predicted"]) for row in rows])
        drawn = (
            answer_plots.truth_against_answers(truth, answers, target.names[0]),
            answer_plots.errors(truth, answers),
        )
    else:
        p = np.array([[float(row[f"p:{name}"]) for name in target.names] for row in rows])
        if target.kind == "class":
            matrix = confusion_matrix(scores["confusion"], target.names)
            drawn = matrix, reliability(truth.argmax(axis=1), p)
        else:
            # Each answer of yes or no counts as one of two classes.
            two = np.stack([1 - p.ravel(), p.ravel()], axis=1)
            both = reliability(truth.ravel().astype(int), two)
            drawn = answer_plots.label_scores(scores["per_label"]), both
    return dict(zip(_PLOTS[target.kind], drawn, strict=True))


def _plot_file(title: str) -> str:
    return f"plots/{title.replace(' ', '_')}.svg"


def _write_history(path, history: list[dict]) -> None:
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
