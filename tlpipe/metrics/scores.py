"""Scores of one part of the data: pure functions of the labels and the predicted probabilities.

Everywhere ``labels`` is int (n,) in 0..k-1 and ``probabilities`` is float (n, k) with rows that sum
to 1. A score that the data leave undefined is None, never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from sklearn import metrics as sk

from tlpipe.errors import DataError, TrainingError

BINS = 15
# Networks put out float32, where a probability below its epsilon is rounding, not conviction.
SMALLEST = float(np.finfo(np.float32).eps)


def checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The two arrays as int64 (n,) and float64 (n, k).

    Raises:
        DataError: there is nothing to score.
        TrainingError: a probability is not finite.
        ValueError: shapes, label range or row sums don't fit (the caller's mistake).
    """
    labels = np.asarray(labels, dtype=np.int64)
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2 or labels.shape != (len(labels),):
        raise ValueError(
            f"labels {labels.shape} and probabilities {probabilities.shape}: not (n,k)"
        )
    if len(labels) != len(probabilities):
        raise ValueError(f"{len(labels)} labels for {len(probabilities)} rows of probabilities")
    if not len(labels):
        raise DataError(
            "There are no pictures to score.",
            cause="this part of the data is empty",
            todo="name a folder or a part that holds pictures",
        )
    broken = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if broken:
        raise TrainingError(
            f"{broken} of {len(labels)} predictions are not finite numbers.",
            cause="the model's weights are damaged, or the precision overflowed",
            todo="train again with --precision float32",
        )
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(f"a label is outside 0..{probabilities.shape[1] - 1}")
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-2) or probabilities.min() < 0:
        raise ValueError("rows of probabilities must be >= 0 and sum to 1: are these logits?")
    return labels, probabilities


def softmax(logits: ArrayLike) -> np.ndarray:
    """Logits (n, k) as probabilities, float64 (n, k), without overflow."""
    logits = np.asarray(logits, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def predicted(probabilities: ArrayLike) -> np.ndarray:
    """The most probable class of each row, int64 (n,); the first one on a tie."""
    return np.asarray(probabilities).argmax(axis=1)


def confusion(labels: ArrayLike, probabilities: ArrayLike) -> np.ndarray:
    """Counts, int (k, k): row = true class, column = predicted class."""
    labels, probabilities = checked(labels, probabilities)
    classes = range(probabilities.shape[1])
    return sk.confusion_matrix(labels, predicted(probabilities), labels=classes)


def accuracy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Share of pictures whose most probable class is the true one."""
    labels, probabilities = checked(labels, probabilities)
    return float(sk.accuracy_score(labels, predicted(probabilities)))


def balanced_accuracy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean recall of the classes that are present among the labels."""
    counts = confusion(labels, probabilities)
    support = counts.sum(axis=1)
    return float((np.diag(counts)[support > 0] / support[support > 0]).mean())


def macro_f1(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean F1 of the classes that are present among the labels or the predictions."""
    labels, probabilities = checked(labels, probabilities)
    return float(sk.f1_score(labels, predicted(probabilities), average="macro", zero_division=0))


def auc(labels: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Area under the ROC curve, from the ranks (Mann and Whitney 1947), ties counting half.

    Two classes: of the last class, the positive one. More: macro one-vs-rest over the classes that
    are present among the labels. None when fewer than two classes are present.
    """
    labels, probabilities = checked(labels, probabilities)
    present = np.unique(labels)
    if len(present) < 2:
        return None
    ranked = np.array([1]) if probabilities.shape[1] == 2 else present
    positive = labels[:, None] == ranked
    ranks = rankdata(probabilities[:, ranked], axis=0).sum(axis=0, where=positive)
    count = positive.sum(axis=0)
    above = ranks - count * (count + 1) / 2
    return float((above / (count * (len(labels) - count))).mean())


def calibration(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS
) -> tuple[np.ndarray, np.ndarray]:
    """Mean confidence and accuracy in bins of equal mass, two float arrays (bins,).

    Every bin holds exactly n / bins pictures: a picture on an edge counts in both by its share, and
    pictures of equal confidence share their hits evenly, so the order of pictures has no effect.
    """
    labels, probabilities = checked(labels, probabilities)
    confidence, group = np.unique(probabilities.max(axis=1), return_inverse=True)
    mass = np.bincount(group).astype(float)
    hits = np.bincount(group, weights=predicted(probabilities) == labels)
    ends = np.linspace(0, len(labels), bins + 1)
    upto = np.concatenate([[0], mass.cumsum()])

    def mean_per_bin(amounts: np.ndarray) -> np.ndarray:
        running = np.interp(ends, upto, np.concatenate([[0], amounts.cumsum()]))
        return np.diff(running) * bins / len(labels)

    return mean_per_bin(mass * confidence), mean_per_bin(hits)


def ece(labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error (Guo et al. 2017) of the top class.

    The bins hold equal mass, as Nixon et al. 2019 advise, for bins of equal width stay nearly empty
    where a good model is never unsure.
    """
    confidence, hits = calibration(labels, probabilities, bins)
    return float(np.abs(confidence - hits).mean())


def log_losses(labels: ArrayLike, probabilities: ArrayLike) -> np.ndarray:
    """Negative log-probability of the true class of each picture, float (n,)."""
    labels, probabilities = checked(labels, probabilities)
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], SMALLEST))


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log-probability of the true class (cross-entropy), in nats."""
    return float(log_losses(labels, probabilities).mean())


def brier_scores(labels: ArrayLike, probabilities: ArrayLike) -> np.ndarray:
    """Squared error of the probabilities of each picture, float (n,)."""
    labels, probabilities = checked(labels, probabilities)
    k = probabilities.shape[1]
    squares = ((probabilities - np.eye(k)[labels]) ** 2).sum(axis=1)
    return squares / 2 if k == 2 else squares


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Brier score (Brier 1950): 0..1 with two classes (of the positive one), 0..2 with more."""
    return float(brier_scores(labels, probabilities).mean())


def per_class(
    labels: ArrayLike, probabilities: ArrayLike, class_names: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    """Precision, recall, F1 and support of each class.

    Precision is None for a class that was never predicted, recall for one without pictures, F1 when
    both hold.
    """
    labels, probabilities = checked(labels, probabilities)
    if len(set(class_names)) != probabilities.shape[1]:
        raise ValueError(f"{probabilities.shape[1]} columns but the classes are {class_names}")
    columns = sk.precision_recall_fscore_support(
        labels,
        predicted(probabilities),
        labels=range(probabilities.shape[1]),
        zero_division=np.nan,
    )
    return {
        name: {
            "precision": number(precision),
            "recall": number(recall),
            "f1": number(f1),
            "support": int(support),
        }
        for name, precision, recall, f1, support in zip(class_names, *columns, strict=True)
    }


SCALARS = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "auc": auc,
    "ece": ece,
    "log_loss": log_loss,
    "brier": brier,
}


def summary(labels: ArrayLike, probabilities: ArrayLike, class_names: Sequence[str]) -> dict:
    """All scores of one part as a dict that JSON can hold.

    Keys: ``n``, every name of SCALARS, ``per_class``, ``confusion`` (rows = true class) and
    ``absent_classes``: the names of which the part holds no picture.
    """
    classes = per_class(labels, probabilities, class_names)
    return {
        "n": len(np.asarray(labels)),
        **{name: score(labels, probabilities) for name, score in SCALARS.items()},
        "per_class": classes,
        "confusion": confusion(labels, probabilities).tolist(),
        "absent_classes": [name for name, row in classes.items() if not row["support"]],
    }


def number(value: float) -> float | None:
    """A Python float for JSON; None in place of NaN."""
    return None if np.isnan(value) else float(value)


def majority(scores: dict) -> tuple[str, float]:
    """The most common class of what was scored, and the accuracy of always answering it."""
    support = {name: row["support"] for name, row in scores["per_class"].items()}
    common = max(support, key=support.get)
    return common, support[common] / max(scores["n"], 1)
