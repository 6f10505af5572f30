"""What the other pictures say of a picture's class: a judge that has not seen it.

Two classifiers on the same likenesses, averaged two to one: kernel ridge regression, and the votes
of the nearest neighbours. Both give leave-one-out predictions in closed form, so that each picture
is judged by all others but its duplicates, with no folds and nothing random. Beside a logistic
regression in five folds they find more wrong labels (`benchmarks/labels.py`), in less time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlpipe.metrics.scores import softmax
from tlpipe.metrics.temperature import fit_temperature

# Chosen on the two data sets of the benchmark, where twice or half as much changes little.
_WIDTH = 2.0
_RIDGE = 0.2
_NEIGHBOURS = 20
_VOTES = 1 / 3
# A likeness of every two pictures: 200 MB of them at a time.
_MOST = 5000
# A regression's outputs lie in 0..1, and ``fit_temperature`` looks between 0.25 and 10.
_SPREAD = 10.0


def group_numbers(names: Sequence[str]) -> np.ndarray:
    """int64 (n,): equal numbers for equal names; a number of its own for each empty name."""
    known: dict[object, int] = {}
    keys = (name or (row,) for row, name in enumerate(names))
    return np.array([known.setdefault(key, len(known)) for key in keys], np.int64)


def out_of_fold(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: int, *, seed: int = 0
) -> np.ndarray:
    """Each picture's class probabilities by the other pictures, its duplicates left out.

    Args:
        features: float (n, d).
        labels: int (n,) in 0..classes-1.
        groups: int (n,), see ``group_numbers``; a picture's own group has no say.
        classes: how many there are.
        seed: more than 5,000 pictures are judged in so many random parts as it takes.

    Returns:
        float64 (n, classes), rows sum to 1; 0 for a class without pictures.

    Raises:
        ValueError: fewer than two groups or two classes: there is nothing to learn from.
    """
    labels, groups = np.asarray(labels, np.int64), np.asarray(groups, np.int64)
    _, groups = np.unique(groups, return_inverse=True)
    count, there = int(groups.max()) + 1, len(np.unique(labels))
    if count < 2 or there < 2:
        raise ValueError(f"{count} groups of {there} classes: nothing to learn from")
    parts = -(-len(labels) // _MOST)
    part = np.random.default_rng(seed).permutation(count)[groups] % parts
    found = np.zeros((len(labels), classes))
    for number in range(parts):
        rows = np.flatnonzero(part == number)
        found[rows] = _judged(features[rows], labels[rows], groups[rows], classes)
    return found


def _judged(x: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: int) -> np.ndarray:
    like, targets = _likeness(x), np.eye(classes)[labels]
    votes = _votes(like, targets, groups)
    outputs = _SPREAD * _ridge(like, targets, groups)
    outputs[:, targets.sum(axis=0) == 0] = -np.inf
    p = softmax(outputs / fit_temperature(labels, outputs))
    return (1 - _VOTES) * p + _VOTES * votes


def _likeness(features: np.ndarray) -> np.ndarray:
    """Gaussian kernel (n, n) on the signed square roots of the features, at length 1.

    The root keeps a few strong features from deciding alone (Perronnin et al. 2010).
    """
    x = np.asarray(features, np.float64)
    x = np.sign(x) * np.sqrt(np.abs(x))
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    like = x @ x.T
    like -= 1
    # Squared distances are twice what is missing to 1. The median of some is that of all.
    usual = max(float(np.median(like[:: 1 + len(x) // 1000])) * -2, 1e-12)
    like *= 2 * _WIDTH / usual
    return np.exp(np.minimum(like, 0, out=like), out=like)


def _ridge(like: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Kernel ridge regression (n, k) of each group by all others.

    With G = (K + ridge)^-1 the targets of rows B are missed by G_BB^-1 (G y)_B when they are left
    out: Rifkin and Lippert 2007, "Notes on regularized least squares", for one row.
    """
    n = len(like)
    # One more in every likeness is an intercept.
    inverse = np.linalg.inv(like + 1 + _RIDGE * np.eye(n))
    dual = inverse @ targets
    missed = dual / np.diag(inverse)[:, None]
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(rows) > 1:
            missed[rows] = np.linalg.solve(inverse[np.ix_(rows, rows)], dual[rows])
    return targets - missed


def _votes(like: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Share of each class among a picture's nearest, (n, k); its own group has no vote."""
    found = np.empty_like(targets)
    for row, mine in enumerate(groups):
        others = np.flatnonzero(groups != mine)
        count = min(_NEIGHBOURS, len(others))
        nearest = np.argpartition(-like[row, others], count - 1)[:count]
        found[row] = targets[others[nearest]].mean(axis=0)
    return found
