"""Scores of predicted numbers: pure functions of what was true and what was answered.

Everywhere ``truth`` and ``answers`` are float (n,), in the unit of the data.
"""

from __future__ import annotations

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


def checked(truth: ArrayLike, answers: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 (n,).

    Raises:
        DataError: there is nothing to score.
        TrainingError: an answer is not finite.
    """
    truth = np.asarray(truth, np.float64).reshape(-1)
    answers = np.asarray(answers, np.float64).reshape(-1)
    if truth.shape != answers.shape:
        raise ValueError(f"{len(truth)} numbers for {len(answers)} answers")
    if not len(truth):
        raise DataError(
            "There are no pictures to score.",
            cause="this part of the data is empty",
            todo="name a folder or a part that holds pictures",
        )
    broken = int((~np.isfinite(answers)).sum())
    if broken:
        raise TrainingError(
            f"{broken} of {len(answers)} predictions are not finite numbers.",
            cause="the model's weights are damaged, or the precision overflowed",
            todo="train again with --precision float32",
        )
    return truth, answers


def mae(truth: ArrayLike, answers: ArrayLike) -> float:
    """Mean absolute error."""
    truth, answers = checked(truth, answers)
    return float(np.abs(answers - truth).mean())


def summary(
    truth: ArrayLike,
    answers: ArrayLike,
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
    groups: np.ndarray | None = None,
    above: float | None = None,
) -> dict:
    """All scores with bootstrap intervals, as one part of metrics.json.

    Args:
        truth: float (n,).
        answers: float (n,).
        seed: of the resamples.
        resamples: how many.
        level: mass of the intervals.
        groups: int (n,), drawn whole; None where each picture is drawn by itself.
        above: also score the question "is it above this number?".

    Returns:
        ``n``, ``mae``, ``rmse``, ``r2`` (None where all true numbers are equal), ``intervals`` of
        each; ``constant``: the best single answer (the median of what is true) and its ``mae``;
        with ``above``, the question's ``auc`` (of the answers as a ranking; None where one side
        has no pictures), ``accuracy`` and ``intervals``, and ``always``: the accuracy of always
        answering the more common side.
    """
    truth, answers = checked(truth, answers)
    n, squares = len(truth), (answers - truth) ** 2
    varied = bool(np.ptp(truth) > 0)
    functions: dict[str, OfCounts] = {
        "mae": mean_of(np.abs(answers - truth)),
        "rmse": lambda w: np.sqrt(squares @ w / w.sum(axis=0)),
        "r2": _r2(truth, squares),
    }
    how = {"seed": seed, "resamples": resamples, "level": level, "groups": groups}
    drawn = intervals_of(functions, n, **how)
    mend(drawn, {}, level)
    middle = float(np.median(truth))
    found = {
        "n": n,
        "mae": mae(truth, answers),
        "rmse": float(np.sqrt(squares.mean())),
        "r2": float(sk.r2_score(truth, answers)) if varied else None,
        "intervals": drawn,
        "constant": {"value": middle, "mae": mae(truth, np.full(n, middle))},
        "bootstrap": made_how(seed, resamples, level, groups),
    }
    if above is not None:
        found["above"] = _above(truth, answers, above, **how)
    return found


def _r2(truth: np.ndarray, squares: np.ndarray) -> OfCounts:
    def of_counts(w: np.ndarray) -> np.ndarray:
        n = w.sum(axis=0)
        spread = (truth**2) @ w / n - (truth @ w / n) ** 2
        left = squares @ w / n
        return np.where(spread > 1e-12, 1 - left / np.maximum(spread, 1e-12), np.nan)

    return of_counts


def _above(truth, answers, above, **how) -> dict:
    positive, called = truth > above, answers > above
    share = float(positive.mean())
    functions = {
        "auc": one_auc(positive, answers),
        "accuracy": mean_of((positive == called).astype(float)),
    }
    right = positive == called
    intervals = intervals_of(functions, len(truth), **how)
    mend(intervals, {"accuracy": trials(right, how["groups"])}, how["level"])
    return {
        "threshold": above,
        "auc": float(sk.roc_auc_score(positive, answers)) if 0 < share < 1 else None,
        "accuracy": float(right.mean()),
        "always": max(share, 1 - share),
        "intervals": intervals,
    }
