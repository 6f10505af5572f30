"""Likely wrong labels by confident learning (Northcutt, Jiang and Chuang 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelCheck:
    """What confident learning says of the labels.

    Attributes:
        quality: float64 (n,) in [0, 1]: the probability of the label (self-confidence); the lower,
            the likelier is the label wrong.
        suggested: int64 (n,), the likeliest class other than the label.
        joint: float64 (k, k), the estimated share of pictures with a label (row) and a true class
            (column); sums to 1.
        ranked: int64 (n,), all rows, the lowest quality first.
        likely: int64 (m,), the rows whose label is likely to be wrong, the lowest quality first.
    """

    quality: np.ndarray
    suggested: np.ndarray
    joint: np.ndarray
    ranked: np.ndarray
    likely: np.ndarray


def check_labels(
    labels: np.ndarray, probabilities: np.ndarray, *, margin: float = 0.5
) -> LabelCheck:
    """Confident learning on out-of-fold probabilities.

    A picture counts for the class that it most probably has among those whose probability reaches
    that class's threshold, the mean probability of the class over the pictures labelled so. Counted
    for another class than its label, its label is in doubt (the off-diagonals of the confident
    joint, section 3.1 of the paper); likely to be wrong it is called where the other class also
    wins clearly. Else every error of a weak classifier would be a wrong label.

    Args:
        labels: int (n,) in 0..k-1.
        probabilities: float (n, k), of a classifier that has not seen the picture.
        margin: by which the other class's probability must win, at least.
    """
    labels, p = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    n, k = p.shape
    rows = np.arange(n)
    quality = p[rows, labels]
    others = p.copy()
    others[rows, labels] = -1
    suggested = others.argmax(axis=1)
    support = np.bincount(labels, minlength=k)
    own = np.bincount(labels, weights=quality, minlength=k)
    # No picture has a class that there is no picture of.
    thresholds = np.where(support > 0, own / np.maximum(support, 1), np.inf)
    sure = np.where(p >= thresholds, p, -1)
    counted, counts_for = sure.max(axis=1) >= 0, sure.argmax(axis=1)
    doubted = counted & (counts_for != labels) & (p[rows, counts_for] - quality >= margin)
    ranked = np.argsort(quality, kind="stable")
    return LabelCheck(
        quality=quality,
        suggested=suggested,
        joint=_joint(labels[counted], counts_for[counted], support),
        ranked=ranked,
        likely=ranked[doubted[ranked]],
    )


def _joint(labels: np.ndarray, true: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Counts made shares: each label's row sums to that label's share of all pictures."""
    k = len(support)
    counts = np.bincount(labels * k + true, minlength=k * k).reshape(k, k).astype(float)
    # Of a label that no picture was counted for nothing is known: it is taken to be right.
    counts[np.diag_indices(k)] += counts.sum(axis=1) == 0
    return counts / counts.sum(axis=1, keepdims=True) * (support / support.sum())[:, None]
