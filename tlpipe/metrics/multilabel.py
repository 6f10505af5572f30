"""Scores of several labels a picture: pure functions of what holds and what was answered.

Everywhere ``truth`` is 0 or 1, (n, k), and ``probabilities`` float (n, k), each column for itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn import metrics as sk

from tlpipe.errors import DataError, TrainingError
from tlpipe.metrics.bootstrap import (
    OfCounts,
    intervals_of,
    made_how,
    mean_of,
    mend,
    one_auc,
    trials,
)
from tlpipe.metrics.scores import SMALLEST

SCALARS = ("exact_match", "label_accuracy", "macro_f1", "auc", "average_precision", "log_loss")


def checked(truth: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """As bool (n, k) and float64 (n, k).

    Raises:
        DataError: there is nothing to score.
        TrainingError: a probability is not finite.
    """
    truth = np.asarray(truth).astype(bool)
    probabilities = np.asarray(probabilities, np.float64)
    if truth.shape != probabilities.shape or truth.ndim != 2:
        raise ValueError(f"truth {truth.shape} and probabilities {probabilities.shape}: not (n, k)")
    if not len(truth):
        raise DataError(
            "There are no pictures to score.",
            cause="this part of the data is empty",
            todo="name a folder or a part that holds pictures",
        )
    broken = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if broken:
        raise TrainingError(
            f"{broken} of {len(truth)} predictions are not finite numbers.",
            cause="the model's weights are damaged, or the precision overflowed",
            todo="train again with --precision float32",
        )
    return truth, probabilities


def log_losses(truth: ArrayLike, probabilities: ArrayLike) -> np.ndarray:
    """Binary cross-entropy in nats, the mean over the labels of each picture, float (n,)."""
    truth, p = checked(truth, probabilities)
    return -np.log(np.maximum(np.where(truth, p, 1 - p), SMALLEST)).mean(axis=1)


def label_accuracy(
    truth: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike = 0.5
) -> float:
    """Share of right answers over all pictures and labels."""
    truth, p = checked(truth, probabilities)
    return float((truth == (p >= np.asarray(thresholds))).mean())


def auc(truth: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Mean area under the ROC curve, over the labels that some pictures have and some have not."""
    truth, p = checked(truth, probabilities)
    each = [_auc(truth[:, i], p[:, i]) for i in range(truth.shape[1])]
    return _mean(each)


def best_thresholds(truth: ArrayLike, probabilities: ArrayLike) -> tuple[float, ...]:
    """For each label the probability from which on it is given: the one of the largest F1.

    Half-way between two neighbouring pictures; 0.5 where no picture, or every one, has the label.
    To be fitted on pictures that were not trained on. With few of them it is a rough guess.
    """
    truth, p = checked(truth, probabilities)
    found = []
    for column in range(truth.shape[1]):
        positive, score = truth[:, column], p[:, column]
        if positive.all() or not positive.any():
            found.append(0.5)
            continue
        precision, recall, at = sk.precision_recall_curve(positive, score)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = int(f1[:-1].argmax())
        below = score[score < at[best]]
        low = below.max() if len(below) else at[best]
        found.append(float((low + at[best]) / 2))
    return tuple(found)


def summary(
    truth: ArrayLike,
    probabilities: ArrayLike,
    names: Sequence[str],
    *,
    thresholds: Sequence[float],
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
    groups: np.ndarray | None = None,
) -> dict:
    """All scores with bootstrap intervals, as one part of metrics.json.

    ``exact_match`` is the share of pictures with every label right, ``label_accuracy`` that of
    right answers over all labels, ``none_right`` what answering "none" would reach of the latter.
    ``macro_f1``, ``auc`` and ``average_precision`` are means over the labels for which they are
    defined. ``per_label`` has precision, recall, F1, AUC, average precision, support and threshold.
    A score that the data leave undefined is None.

    Args:
        truth: (n, k).
        probabilities: float (n, k).
        names: k names.
        thresholds: k probabilities from which on a label is given.
        seed: of the resamples.
        resamples: how many.
        level: mass of the intervals.
        groups: int (n,), drawn whole; None where each picture is drawn by itself.
    """
    truth, p = checked(truth, probabilities)
    called = p >= np.asarray(thresholds)
    functions: dict[str, OfCounts] = {
        "exact_match": mean_of((truth == called).all(axis=1).astype(float)),
        "label_accuracy": mean_of((truth == called).mean(axis=1)),
        "log_loss": mean_of(log_losses(truth, p)),
        "macro_f1": _macro_f1(truth, called),
        "auc": macro_auc(truth, p),
    }
    exact = (truth == called).all(axis=1)
    how = {"seed": seed, "resamples": resamples, "level": level, "groups": groups}
    intervals = intervals_of(functions, len(truth), **how)
    mend(intervals, {"exact_match": trials(exact, groups)}, level)
    per_label = {
        name: _one(truth[:, i], p[:, i], called[:, i], float(thresholds[i]))
        for i, name in enumerate(names)
    }
    return {
        "n": len(truth),
        "exact_match": float(exact.mean()),
        "label_accuracy": float((truth == called).mean()),
        "none_right": float((~truth).mean()),
        "macro_f1": _mean([row["f1"] for row in per_label.values()]),
        "auc": auc(truth, p),
        "average_precision": _mean([row["average_precision"] for row in per_label.values()]),
        "log_loss": float(log_losses(truth, p).mean()),
        "per_label": per_label,
        "intervals": intervals,
        "bootstrap": made_how(seed, resamples, level, groups),
    }


def _one(truth: np.ndarray, p: np.ndarray, called: np.ndarray, threshold: float) -> dict:
    hits, support, calls = (int(x.sum()) for x in (truth & called, truth, called))
    return {
        "precision": hits / calls if calls else None,
        "recall": hits / support if support else None,
        "f1": 2 * hits / (calls + support) if calls + support else None,
        "auc": _auc(truth, p),
        "average_precision": float(sk.average_precision_score(truth, p)) if support else None,
        "support": support,
        "threshold": threshold,
    }


def _auc(truth: np.ndarray, p: np.ndarray) -> float | None:
    return None if truth.all() or not truth.any() else float(sk.roc_auc_score(truth, p))


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _nanmean(each: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is defined; NaN where nothing is."""
    defined = ~np.isnan(each)
    total = np.where(defined, each, 0).sum(axis=0)
    count = defined.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _macro_f1(truth: np.ndarray, called: np.ndarray) -> OfCounts:
    hit, either = (truth & called).astype(float), truth.astype(float) + called

    def of_counts(w: np.ndarray) -> np.ndarray:
        hits, all_ = hit.T @ w, either.T @ w
        return _nanmean(np.divide(2 * hits, all_, out=np.full(hits.shape, np.nan), where=all_ > 0))

    return of_counts


def macro_auc(truth: np.ndarray, p: np.ndarray) -> OfCounts:
    """:func:`auc` of a resample; takes what :func:`checked` returns."""
    areas = [one_auc(truth[:, i], p[:, i]) for i in range(truth.shape[1])]
    return lambda w: _nanmean(np.stack([area(w) for area in areas]))
