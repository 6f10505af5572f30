"""Section 2: how well it does on pictures it has never seen."""

from __future__ import annotations

import numpy as np
from sklearn import metrics as sk

from tlpipe.audit.curves import roc_and_pr
from tlpipe.audit.finding import Figure, Finding, Section, Table
from tlpipe.audit.plots import confusion_matrix
from tlpipe.audit.subject import Subject
from tlpipe.metrics.bootstrap import FEW_GROUPS, with_intervals
from tlpipe.metrics.compare import told
from tlpipe.metrics.scores import majority

_TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "auc": "ROC-AUC",
    "log_loss": "log loss",
}
_ORIGIN = {
    "test": "Every figure comes from pictures that took no part in training or in any choice.",
    "val": "There is no test part: every figure comes from the validation pictures, which took no "
    "part in training but chose the epoch and the model.",
}


def examine(subject: Subject) -> Section:
    """Scores with intervals, against always answering the most common class."""
    labels, p = subject.labels(subject.part), subject.probabilities(subject.part)
    names = subject.names
    groups = subject.manifest.groups(subject.rows(subject.part))
    scores = with_intervals(labels, p, names, seed=subject.seed, groups=groups)
    curves = {
        name: _curves(labels == i, p[:, i])
        for i, name in enumerate(names)
        if 0 < (labels == i).sum() < len(labels)
    }
    average = {name: curve["average_precision"] for name, curve in curves.items()}
    return Section(
        name="performance",
        title="Performance",
        findings=(
            _overall(scores, subject.part),
            *_flattering(subject.part),
            *_per_class(scores, subject.settings.performance),
            *_unfreezing(subject.about),
        ),
        definition=(
            f"{_ORIGIN[subject.part]} "
            "The interval in brackets is a 95 % bootstrap interval over the "
            f"{'pictures' if groups is None else 'groups of pictures'}. Recall: "
            "share of a class that is found. Precision: share of the answers that are right."
        ),
        reference="Efron and Tibshirani 1993 (bootstrap); Saito and Rehmsmeier 2015 (PR curves)",
        facts={"part": subject.part, "scores": scores, "average_precision": average},
        tables=(_score_table(scores), _class_table(scores, average)),
        figures=(
            Figure(
                title="Confusion matrix",
                alt="Counts of true class (rows) against predicted class (columns).",
                svg=confusion_matrix(scores["confusion"], names),
            ),
            Figure(
                title="ROC and precision-recall curves, each class against the rest",
                alt="One ROC curve and one precision-recall curve a class.",
                svg=roc_and_pr(curves),
            ),
        ),
    )


def _curves(positive: np.ndarray, score: np.ndarray) -> dict:
    false, true, _ = sk.roc_curve(positive, score)
    precision, recall, _ = sk.precision_recall_curve(positive, score)
    return {
        "roc": (false, true),
        "pr": (recall, precision),
        "auc": float(sk.auc(false, true)),
        "average_precision": float(sk.average_precision_score(positive, score)),
    }


def _overall(scores: dict, part: str) -> Finding:
    common, share = majority(scores)
    interval = scores["intervals"]["accuracy"]
    right = f"It is right on {scores['accuracy']:.1%} of {scores['n']} {part} pictures"
    constant = f"always answering '{common}' would be right on {share:.1%}."
    if interval is None and scores["accuracy"] > share:
        return Finding(
            name="performance.accuracy",
            level="amber",
            sentence=f"{right}; {constant} Their groups are too few to say how sure that is.",
            todo=f"put pictures of at least {FEW_GROUPS} groups aside for testing",
            weight=1.0,
        )
    low, high = interval or (scores["accuracy"], scores["accuracy"])
    beaten = low > share
    between = interval and f" (between {low:.1%} and {high:.1%})"
    sentence = f"{right}{between or ''}; {constant}"
    todo = "" if beaten else "do not use it: gather more pictures, or look at the data section"
    return Finding(
        name="performance.accuracy",
        level="green" if beaten else "red",
        sentence=sentence if beaten else f"It is no better than a constant answer. {sentence}",
        todo=todo,
        weight=1.0,
    )


def _flattering(part: str) -> list[Finding]:
    if part == "test":
        return []
    return [
        Finding(
            name="performance.validation",
            level="amber",
            sentence="There is no test part, and these scores flatter: the epoch, the model and "
            "the temperature were chosen on the very pictures that they are measured on.",
            todo="keep some pictures aside: --set split.test=0.15",
            weight=0.9,
        )
    ]


def _per_class(scores: dict, limits) -> list[Finding]:
    found = []
    for name, row in scores["per_class"].items():
        n, recall = row["support"], row["recall"]
        if n < limits.few:
            found.append(
                Finding(
                    name=f"performance.few.{name}",
                    level="info",
                    sentence=f"'{name}' has {n} pictures here: too few to judge it.",
                    todo=f"put at least {limits.few} pictures of it aside for testing",
                    weight=0.3,
                )
            )
        elif recall < limits.recall_amber:
            interval = row["intervals"]["recall"]
            between = f"between {interval[0]:.0%} and {interval[1]:.0%}, " if interval else ""
            # How far below the limit decides which class comes first.
            weight = min(1.0, 0.5 + (limits.recall_amber - recall))
            found.append(
                Finding(
                    name=f"performance.recall.{name}",
                    level="red" if recall < limits.recall_red else "amber",
                    sentence=f"It finds only {recall:.0%} of '{name}' ({between}{n} pictures).",
                    todo="add pictures of this class, or weigh the classes with --balance",
                    weight=weight,
                )
            )
    return found


def _unfreezing(about: dict) -> list[Finding]:
    facts = about.get("unfreezing")
    if not facts:
        return []
    change = facts["difference"]
    means = {
        "better": "Unfreezing the top blocks helped",
        "worse": "Unfreezing the top blocks hurt",
        "tie": "Unfreezing the top blocks made no difference that can be told from chance",
    }
    return [
        Finding(
            name="performance.unfreezing",
            level="info",
            sentence=f"{means[facts['verdict']]}: validation {facts['score'].replace('_', ' ')} "
            f"against the head alone: {told(change)}; kept: {facts['kept']}.",
            weight=0.2,
        )
    ]


def _score_table(scores: dict) -> Table:
    common, share = majority(scores)
    rows = [
        (title, scores[key], *(scores["intervals"][key] or (None, None)))
        for key, title in _TITLES.items()
    ]
    return Table(
        title="Scores",
        columns=("score", "value", "low", "high"),
        rows=(*rows, (f"accuracy of always answering '{common}'", share, None, None)),
    )


def _class_table(scores: dict, average: dict[str, float]) -> Table:
    rows = []
    for name, row in scores["per_class"].items():
        between = row["intervals"]["recall"] or (None, None)
        numbers = (row["precision"], row["recall"], *between, row["f1"], average.get(name))
        rows.append((name, row["support"], *numbers))
    return Table(
        title="Classes",
        columns=("class", "pictures", "precision", "recall", "low", "high", "F1", "avg. precision"),
        rows=tuple(rows),
    )
