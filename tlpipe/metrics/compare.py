"""Which of two models is better: paired bootstrap of the difference of their scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tlpipe.metrics import scores
from tlpipe.metrics.bootstrap import (
    OfCounts,
    drawn_scores,
    interval_of,
    intervals_of,
    mean_of,
    number_of,
)


def difference(
    labels: ArrayLike,
    p_a: ArrayLike,
    p_b: ArrayLike,
    score: str = "accuracy",
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
    groups: np.ndarray | None = None,
) -> dict[str, float | None]:
    """Paired bootstrap of score(b) - score(a): both are scored on the same drawn pictures.

    Args:
        labels: int (n,).
        p_a: probabilities of the first model, float (n, k).
        p_b: probabilities of the second one on the same pictures.
        score: a name of ``scores.SCALARS``.
        seed: of the resamples.
        resamples: how many.
        level: mass of the interval.
        groups: int (n,), drawn whole; None where each picture is drawn by itself.

    Returns:
        ``value``, ``low`` and ``high``; None where the score is undefined, the latter two also
        where there are too few groups.
    """
    if score not in scores.SCALARS:
        raise ValueError(f"score {score!r} is none of {', '.join(scores.SCALARS)}")
    labels, p_a = scores.checked(labels, p_a)
    _, p_b = scores.checked(labels, p_b)
    a, b = (scores.SCALARS[score](labels, p) for p in (p_a, p_b))
    how = {"seed": seed, "resamples": resamples, "groups": groups}
    drawn_a, drawn_b = (drawn_scores(labels, p, [score], **how)[score] for p in (p_a, p_b))
    low, high = interval_of(drawn_b - drawn_a, level, number_of(groups)) or (None, None)
    return {"value": None if a is None or b is None else b - a, "low": low, "high": high}


def told(diff: dict[str, float | None]) -> str:
    """``-0.0633, 95 % interval -0.0850 to -0.0425``, or what there is of it."""
    if diff["value"] is None:
        return "undefined"
    if diff["low"] is None:
        return f"{diff['value']:+.4f}, too few groups of pictures for an interval"
    return f"{diff['value']:+.4f}, 95 % interval {diff['low']:+.4f} to {diff['high']:+.4f}"


def verdict(diff: dict[str, float | None], *, higher_is_better: bool = True) -> str:
    """'better' or 'worse' when the interval of ``difference`` excludes 0, else 'tie'.

    Pass ``higher_is_better=False`` for ece, log_loss and brier.
    """
    low, high = diff["low"], diff["high"]
    if low is None or high is None or low <= 0 <= high:
        return "tie"
    return "better" if (low > 0) == higher_is_better else "worse"


def paired(
    a: ArrayLike,
    b: ArrayLike,
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
    groups: np.ndarray | None = None,
) -> dict[str, float | None]:
    """As :func:`difference`, of a score that is the mean of what each picture contributes.

    Args:
        a: float (n,), of the first model.
        b: float (n,), of the second one.
        seed: of the resamples.
        resamples: how many.
        level: mass of the interval.
        groups: int (n,), drawn whole; None where each picture is drawn by itself.
    """
    change = np.asarray(b, np.float64) - np.asarray(a, np.float64)
    how = {"seed": seed, "resamples": resamples, "level": level, "groups": groups}
    found = intervals_of({"change": mean_of(change)}, len(change), **how)
    low, high = found["change"] or (None, None)
    return {"value": float(change.mean()), "low": low, "high": high}


def difference_of(
    a: float | None,
    b: float | None,
    of_a: OfCounts,
    of_b: OfCounts,
    *,
    n: int,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
    groups: np.ndarray | None = None,
) -> dict[str, float | None]:
    """As :func:`difference`, of scores that are given as functions of counts.

    Args:
        a: the first model's score; None where it is undefined.
        b: the second one's.
        of_a: the first model's score of a resample.
        of_b: the second one's.
        n: pictures.
        seed: of the resamples.
        resamples: how many.
        level: mass of the interval.
        groups: int (n,), drawn whole; None where each picture is drawn by itself.
    """
    change = {"change": lambda w: of_b(w) - of_a(w)}
    how = {"seed": seed, "resamples": resamples, "level": level, "groups": groups}
    found = intervals_of(change, n, **how)
    low, high = found["change"] or (None, None)
    return {"value": None if a is None or b is None else b - a, "low": low, "high": high}
