"""Likely wrong labels by confident learning (Northcutt, Jiang and Chuang 2021).

A plain classifier is trained on the network's features of all pictures but a fold, and asked about
that fold. Where it is as sure of another class as it usually is of that class's own pictures, the
label is likely to be wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from tlpipe.metrics.scores import log_loss

# Directions of most variance that are kept: the rest is noise to a linear classifier of some
# thousand pictures, and takes most of the time.
_DIRECTIONS = 256
# Inverse strengths of the L2 penalty, the strongest first: each fit starts from the one before.
_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class LabelCheck:
    """What confident learning says of the labels.

    Attributes:
        quality: float64 (n,) in [0, 1]; the lower, the likelier is the label wrong.
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


def group_numbers(names: Sequence[str]) -> np.ndarray:
    """int64 (n,): equal numbers for equal names; a number of its own for each empty name."""
    known: dict[object, int] = {}
    keys = (name or (row,) for row, name in enumerate(names))
    return np.array([known.setdefault(key, len(known)) for key in keys], np.int64)


def out_of_fold(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    classes: int,
    *,
    seed: int,
    folds: int = 5,
) -> np.ndarray:
    """Each picture's class probabilities by a classifier that has not seen it or its duplicates.

    Logistic regression on the standardised features. Its penalty is the one whose probabilities of
    the left-out pictures have the least log loss.

    Args:
        features: float (n, d).
        labels: int (n,) in 0..classes-1.
        groups: int (n,), see ``group_numbers``; a group lies in one fold.
        classes: how many there are.
        seed: of the folds.
        folds: how many, at least 2; fewer where the groups or the largest class are too few.

    Returns:
        float64 (n, classes), rows sum to 1.

    Raises:
        ValueError: fewer than two groups or two classes: there is nothing to learn from.
    """
    labels = np.asarray(labels, np.int64)
    folds = min(folds, len(np.unique(groups)), int(np.bincount(labels).max()))
    if folds < 2 or len(np.unique(labels)) < 2:
        raise ValueError(f"{len(np.unique(labels))} classes in {folds} folds: nothing to learn")
    found = np.zeros((len(_STRENGTHS), len(labels), classes))
    reduced = _reduced(features, seed)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class with fewer pictures than folds is rare, not wrong; and a fit that stops early is
        # judged by its log loss like any other.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        for known, asked in splitter.split(reduced, labels, groups):
            model = LogisticRegression(max_iter=100, tol=1e-3, warm_start=True)
            for row, strength in enumerate(_STRENGTHS):
                model.set_params(C=strength).fit(reduced[known], labels[known])
                found[row][np.ix_(asked, model.classes_)] = model.predict_proba(reduced[asked])
    return min(found, key=lambda p: log_loss(labels, p))


def check_labels(labels: np.ndarray, probabilities: np.ndarray) -> LabelCheck:
    """Confident learning on out-of-fold probabilities.

    The quality is the normalised margin, (p of the label - largest other p + 1) / 2. A picture
    counts for the class that it most probably has among those whose probability reaches that
    class's threshold, the mean probability of the class over the pictures labelled so. Counted for
    another class than its label, it is likely to be labelled wrong (the off-diagonals of the
    confident joint, section 3.1 of the paper).

    Args:
        labels: int (n,) in 0..k-1.
        probabilities: float (n, k), of a classifier that has not seen the picture.
    """
    labels, p = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    n, k = p.shape
    rows = np.arange(n)
    others = p.copy()
    others[rows, labels] = -1
    suggested = others.argmax(axis=1)
    quality = (p[rows, labels] - others[rows, suggested] + 1) / 2
    support = np.bincount(labels, minlength=k)
    own = np.bincount(labels, weights=p[rows, labels], minlength=k)
    # No picture has a class that there is no picture of.
    thresholds = np.where(support > 0, own / np.maximum(support, 1), np.inf)
    sure = np.where(p >= thresholds, p, -1)
    counted, counts_for = sure.max(axis=1) >= 0, sure.argmax(axis=1)
    ranked = np.argsort(quality, kind="stable")
    doubted = counted & (counts_for != labels)
    return LabelCheck(
        quality=quality,
        suggested=np.where(doubted, counts_for, suggested),
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


def _reduced(features: np.ndarray, seed: int) -> np.ndarray:
    """Standardised and turned to the directions of most variance; the labels are not looked at."""
    scaled = StandardScaler().fit_transform(np.asarray(features, np.float64))
    most = min(_DIRECTIONS, *scaled.shape)
    return PCA(most, svd_solver="full" if most < 64 else "covariance_eigh").fit_transform(scaled)
