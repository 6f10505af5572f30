"""Section 3: whether its confidence is honest."""

from __future__ import annotations

import numpy as np

from tlpipe.audit.curves import coverage
from tlpipe.audit.finding import Figure, Finding, Section, Table
from tlpipe.audit.plots import reliability
from tlpipe.audit.subject import Subject
from tlpipe.metrics.scores import brier, ece, log_loss, predicted, softmax

_DRAWS = 200
_WISHED = (0.9, 0.95, 0.98, 0.99)
_MEASURED = {"test": "the others", "val": "the same, for want of a test part, and flatters"}


def examine(subject: Subject) -> Section:
    """Calibration before and after temperature scaling, and what abstaining would give."""
    labels = subject.labels(subject.part)
    val_labels, val_logits = subject.labels("val"), subject.logits("val")
    temperature = subject.temperature
    before, after = (softmax(subject.logits(subject.part) / t) for t in (1.0, temperature))
    measured = {
        title: {"ece": ece(labels, p), "brier": brier(labels, p), "log_loss": log_loss(labels, p)}
        for title, p in (("before", before), ("after", after))
    }
    usual, most = _chance(after, subject.seed)
    thresholds = _thresholds(val_labels, softmax(val_logits / temperature), labels, after)
    right = predicted(after) == labels
    return Section(
        name="confidence",
        title="Confidence",
        findings=(
            _calibration(subject, measured, temperature, usual, most),
            *_abstaining(thresholds, right),
        ),
        definition=(
            "ECE is the mean difference between confidence and accuracy over 15 bins of equal "
            "size. Temperature scaling divides the logits by one number, fitted on validation; "
            "`predict --calibrated` applies it. The thresholds are chosen on validation "
            f"pictures; what they give is measured on {_MEASURED[subject.part]}. What an honest "
            "model would show comes from labels drawn from its own probabilities, 200 times."
        ),
        reference="Guo et al. 2017; Nixon et al. 2019; Brier 1950; Geifman and El-Yaniv 2017",
        facts={
            "temperature": temperature,
            **measured,
            "ece_of_honest_model": {"mean": usual, "percentile_95": most},
            "thresholds": thresholds,
        },
        tables=(
            Table(
                title="Calibration",
                columns=("", "ECE", "Brier score", "log loss"),
                rows=tuple(
                    (f"{title} scaling", m["ece"], m["brier"], m["log_loss"])
                    for title, m in measured.items()
                ),
            ),
            Table(
                title="Answer only when sure",
                columns=("wished accuracy", "threshold", "answered", "accuracy there"),
                rows=tuple(
                    (f"{t['wished']:.0%}", t["threshold"], t["coverage"], t["accuracy"])
                    for t in thresholds
                ),
            ),
        ),
        figures=(
            Figure(
                title="Reliability after temperature scaling",
                alt="How often it is right against how sure it was.",
                svg=reliability(labels, after),
            ),
            Figure(
                title="Coverage against accuracy",
                alt="Accuracy when only the surest pictures get an answer.",
                svg=coverage(after.max(axis=1), right),
            ),
        ),
    )


def _chance(p: np.ndarray, seed: int) -> tuple[float, float]:
    """Mean and 95th percentile of the ECE that honest probabilities show on so many pictures."""
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(73,)))
    upto = p.cumsum(axis=1)
    # The last sum may be a rounding error below 1.
    upto[:, -1] = 1.0
    drawn = [ece((stream.random((len(p), 1)) >= upto).sum(axis=1), p) for _ in range(_DRAWS)]
    return float(np.mean(drawn)), float(np.percentile(drawn, 95))


def _calibration(
    subject: Subject, measured: dict, temperature: float, usual: float, most: float
) -> Finding:
    limits, error = subject.settings.confidence, measured["after"]["ece"]
    level = "red" if error > limits.ece_red else "amber" if error > limits.ece_amber else "green"
    if error <= most:
        level = "green"
    bias = "too sure of itself" if temperature > 1 else "not sure enough"
    sentence = (
        f"Its confidence is off by {error:.1%} on average after temperature scaling "
        f"({measured['before']['ece']:.1%} before; temperature {temperature:.2f}: it was {bias}). "
        f"A perfectly honest model would show {usual:.1%} on so few pictures"
    )
    told = "which it can't be told from" if error <= most else "and hardly ever"
    return Finding(
        name="confidence.ece",
        level=level,
        sentence=f"{sentence}, {told}{'' if error <= most else f' more than {most:.1%}'}.",
        todo=""
        if level == "green"
        else "do not read its probabilities as frequencies; use `predict --calibrated`",
        weight=min(1.0, 0.4 + error),
    )


def _thresholds(val_labels, val, labels, audited) -> list[dict]:
    """For each wished accuracy the lowest threshold that gives it on validation."""
    found = []
    confidence, right = val.max(axis=1), predicted(val) == val_labels
    order = np.argsort(-confidence, kind="stable")
    running = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    for wished in _WISHED:
        enough = np.flatnonzero(running >= wished)
        row = {"wished": wished, "threshold": None, "coverage": None, "accuracy": None}
        if len(enough):
            threshold = float(confidence[order[enough[-1]]])
            answered = audited.max(axis=1) >= threshold
            row["threshold"], row["coverage"] = threshold, float(answered.mean())
            if answered.any():
                row["accuracy"] = float((predicted(audited) == labels)[answered].mean())
        found.append(row)
    return found


def _abstaining(thresholds: list[dict], right: np.ndarray) -> list[Finding]:
    """The first wished accuracy above what it has anyway."""
    for row in thresholds:
        if row["accuracy"] is not None and row["wished"] > right.mean():
            return [
                Finding(
                    name="confidence.threshold",
                    level="info",
                    sentence=f"Answering only when it is at least {row['threshold']:.0%} sure, it "
                    f"answers {row['coverage']:.0%} of the pictures and is right on "
                    f"{row['accuracy']:.1%} of them.",
                    weight=0.3,
                )
            ]
    return []
