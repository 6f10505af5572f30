"""How sure a score is: percentile bootstrap over the pictures (Efron 1979).

A resample is a vector of counts, how often each picture was drawn. Every score is written as a
function of those counts, so that a thousand resamples are a few matrix products and no resample is
ever sorted again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, norm, t

from tlpipe.metrics import scores

# Counts held at once: 4 M of them are 32 MB.
_CELLS = 4_000_000
# Fewer groups than this agree by chance too often: five do so once in sixteen times.
FEW_GROUPS = 6
# A score as a function of counts (n, r): float (r,), NaN where a resample leaves it undefined. What
# makes one prepares what does not depend on the resample.
OfCounts = Callable[[np.ndarray], np.ndarray]


def with_intervals(
    labels: ArrayLike,
    probabilities: ArrayLike,
    class_names: Sequence[str],
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
    groups: np.ndarray | None = None,
) -> dict:
    """``scores.summary`` with ``intervals``: one part of metrics.json.

    Plain numbers stay at the top; ``intervals`` beside them maps each scalar to [low, high], and
    each row of ``per_class`` has its own. An interval is None where no resample defines the score.
    ``bootstrap`` says how it was made; its ``auc_skipped`` counts resamples that held one class
    only, for which there is no AUC. The interval of ``ece`` is centred on its value.

    Where every resample gives the same score (8 pictures of 8 right), or there are fewer than six
    groups, the bootstrap says nothing about new pictures. Accuracy, precision and recall then get
    the exact binomial interval (Clopper and Pearson 1934), of groups only where their pictures are
    all right or all wrong; the other scores get none.

    Args:
        labels: int (n,) in 0..k-1.
        probabilities: float (n, k).
        class_names: k names in the order of the columns.
        seed: of the resamples; equal seeds give equal intervals.
        resamples: how many.
        level: mass of the interval, in 0..1.
        groups: int (n,), drawn whole; None where each picture is drawn by itself.
    """
    result = scores.summary(labels, probabilities, class_names)
    labels, probabilities = scores.checked(labels, probabilities)
    names = [*_SCALARS, "per_class"]
    how = {"seed": seed, "resamples": resamples, "groups": groups}
    drawn = drawn_scores(labels, probabilities, names, **how)
    guess, size = scores.predicted(probabilities), number_of(groups)
    result["intervals"] = {name: interval_of(drawn[name], level, size) for name in _SCALARS}
    mend(result["intervals"], {"accuracy": trials(guess == labels, groups)}, level)
    for index, name in enumerate(class_names):
        ratios = drawn["per_class"][:, :, index]
        found = {
            score: interval_of(column, level, size)
            for score, column in zip(("precision", "recall", "f1"), ratios.T, strict=True)
        }
        right, among = guess == labels, {"precision": guess == index, "recall": labels == index}
        mend(found, {k: trials(right, groups, those) for k, those in among.items()}, level)
        result["per_class"][name]["intervals"] = found
    result["bootstrap"] = {
        **made_how(seed, resamples, level, groups),
        "auc_skipped": int(np.isnan(drawn["auc"]).sum()),
    }
    return result


def mend(intervals: dict, trials: dict[str, tuple[int, int]], level: float) -> None:
    """Replaces intervals that are missing, or without width and so say nothing of new pictures.

    Args:
        intervals: by score; changed in place.
        trials: of the scores that are proportions of pictures what :func:`trials` makes: they get
            the exact binomial interval (Clopper and Pearson 1934), the others None.
        level: mass of the interval.
    """
    for name, interval in intervals.items():
        if interval is not None and interval[0] < interval[1]:
            continue
        hits, n = trials.get(name, (0, 0))
        exact = binomtest(hits, n).proportion_ci(level, method="exact") if n else None
        intervals[name] = exact and [float(exact.low), float(exact.high)]


def trials(
    right: np.ndarray, groups: np.ndarray | None, among: np.ndarray | None = None
) -> tuple[int, int]:
    """(hits, tries) for :func:`mend`.

    The pictures of one of ``groups`` are right or wrong together. So it is the groups that count
    where all pictures are right or all wrong, and otherwise nothing can be counted: (0, 0).

    Args:
        right: bool (n,).
        groups: int (n,), or None.
        among: bool (n,), the pictures that count; None for all.
    """
    among = np.ones(len(right), bool) if among is None else among
    hits, n = int((right & among).sum()), int(among.sum())
    if groups is None:
        return hits, n
    count = len(np.unique(groups[among]))
    return {n: (count, count), 0: (0, count)}.get(hits, (0, 0))


def intervals_of(
    functions: Mapping[str, OfCounts],
    n: int,
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
    groups: np.ndarray | None = None,
) -> dict[str, list[float] | None]:
    """The interval [low, high] of each score; None where :func:`interval_of` gives none.

    Args:
        functions: scores of n pictures.
        n: pictures.
        seed: of the resamples.
        resamples: how many.
        level: mass of the intervals.
        groups: int (n,), drawn whole; None where each picture is drawn by itself.
    """
    blocks = [[of(w) for of in functions.values()] for w in counts(n, resamples, seed, groups)]
    drawn = (np.concatenate(values) for values in zip(*blocks, strict=True))
    size = number_of(groups)
    return {name: interval_of(x, level, size) for name, x in zip(functions, drawn, strict=True)}


def made_how(seed: int, resamples: int, level: float, groups: np.ndarray | None) -> dict:
    """What a reader has to know of the intervals: the entry ``bootstrap`` of metrics.json."""
    found = {"resamples": resamples, "level": level, "seed": seed}
    return found if groups is None else {**found, "groups": number_of(groups)}


def number_of(groups: np.ndarray | None) -> int | None:
    """How many groups there are; None where each picture is one."""
    return None if groups is None else len(np.unique(groups))


def counts(
    n: int, resamples: int, seed: int, groups: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Blocks (n, r) of how often each of n pictures was drawn; the r add up to ``resamples``.

    Of ``groups``, int (n,), whole ones are drawn, as many as there are, since the pictures of one
    say little about those of another (the cluster bootstrap: Davison and Hinkley 1997, section
    3.8).
    """
    rng = np.random.default_rng(seed)
    # Without groups each picture is one.
    of = None if groups is None else np.unique(groups, return_inverse=True)[1]
    size = n if of is None else int(of.max()) + 1
    block = max(1, _CELLS // n)
    for start in range(0, resamples, block):
        r = min(block, resamples - start)
        drawn = rng.integers(size, size=(r, size)) + size * np.arange(r)[:, None]
        flat = np.bincount(drawn.ravel(), minlength=r * size).reshape(r, size).T
        yield np.ascontiguousarray(flat if of is None else flat[of], dtype=np.float64)


def drawn_scores(
    labels: np.ndarray,
    p: np.ndarray,
    names: Sequence[str],
    *,
    seed: int,
    resamples: int,
    groups: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Each score of every resample, float (resamples,); NaN where it is undefined."""
    prepared = {name: _FUNCTIONS[name](labels, p) for name in names}
    blocks = [
        {name: of_counts(w) for name, of_counts in prepared.items()}
        for w in counts(len(labels), resamples, seed, groups)
    ]
    drawn = {name: np.concatenate([block[name] for block in blocks]) for name in names}
    if "ece" in drawn:
        # Drawing adds noise to every bin and so raises each resample's error above the one
        # measured, often the whole interval with it. The shift keeps the spread, not the rise.
        value = prepared["ece"](np.ones((len(labels), 1)))[0]
        drawn["ece"] = np.maximum(drawn["ece"] - drawn["ece"].mean() + value, 0)
    return drawn


def interval_of(drawn: np.ndarray, level: float, groups: int | None = None) -> list[float] | None:
    """The middle ``level`` of what was drawn, without NaN; None where nothing is left.

    Few groups differ more from others of their kind than their resamples do from one another, so
    of ``groups`` the interval reaches further out (the expanded percentile interval: Hesterberg
    2015, "What teachers should know about the bootstrap"). Of fewer than six it is None.
    """
    defined = drawn[~np.isnan(drawn)]
    if not len(defined) or (groups is not None and groups < FEW_GROUPS):
        return None
    tail = (1 - level) / 2
    if groups is not None:
        tail = norm.cdf(np.sqrt(groups / (groups - 1)) * t.ppf(tail, groups - 1))
    return [float(x) for x in np.percentile(defined, [100 * tail, 100 - 100 * tail])]


def mean_of(values: np.ndarray) -> OfCounts:
    """The mean of what each picture contributes, float (n,)."""
    return lambda w: values @ w / w.sum(axis=0)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _class_ratios(labels: np.ndarray, p: np.ndarray) -> OfCounts:
    """(r, 3, k): precision, recall, F1."""
    guess, eye = scores.predicted(p), np.eye(p.shape[1])
    true, chosen = eye[labels], eye[guess]
    hit = true * (labels == guess)[:, None]

    def of_counts(w: np.ndarray) -> np.ndarray:
        hits, support, calls = w.T @ hit, w.T @ true, w.T @ chosen
        ratios = _ratio(hits, calls), _ratio(hits, support), _ratio(2 * hits, calls + support)
        return np.stack(ratios, axis=1)

    return of_counts


def _macro(which: int) -> Callable[[np.ndarray, np.ndarray], OfCounts]:
    def prepare(labels: np.ndarray, p: np.ndarray) -> OfCounts:
        ratios = _class_ratios(labels, p)
        return lambda w: np.nanmean(ratios(w)[:, which], axis=1)

    return prepare


def _auc(labels: np.ndarray, p: np.ndarray) -> OfCounts:
    ranked = [1] if p.shape[1] == 2 else np.unique(labels)
    areas = [one_auc(labels == c, p[:, c]) for c in ranked]

    def of_counts(w: np.ndarray) -> np.ndarray:
        each = np.stack([area(w) for area in areas])
        defined = ~np.isnan(each)
        return _ratio(np.where(defined, each, 0).sum(axis=0), defined.sum(axis=0).astype(float))

    return of_counts


def one_auc(positive: np.ndarray, score: np.ndarray) -> OfCounts:
    """Area under the ROC curve of bool (n,) and float (n,); NaN where one side is empty.

    Mann-Whitney: the mean rank of the positives, ties counting half.
    """
    order = np.argsort(score, kind="stable")
    at = score[order][positive[order]]
    below = np.searchsorted(score[order], at, side="left")
    upto = np.searchsorted(score[order], at, side="right")

    def of_counts(w: np.ndarray) -> np.ndarray:
        w = w[order]
        total = np.concatenate([np.zeros((1, w.shape[1])), w.cumsum(axis=0)])
        ours = w[positive[order]]
        pairs = (ours * (total[below] + total[upto])).sum(axis=0) / 2
        p = ours.sum(axis=0)
        return _ratio(pairs - p * p / 2, p * (total[-1] - p))

    return of_counts


def _ece(labels: np.ndarray, p: np.ndarray) -> OfCounts:
    confidence = p.max(axis=1)
    order = np.argsort(confidence, kind="stable")
    first = np.unique(confidence[order], return_index=True)[1]
    excess = (confidence - (scores.predicted(p) == labels))[order][:, None]

    def running(amounts: np.ndarray) -> np.ndarray:
        sums = np.add.reduceat(amounts, first, axis=0).cumsum(axis=0)
        return np.concatenate([np.zeros((1, sums.shape[1])), sums]).T

    def of_counts(w: np.ndarray) -> np.ndarray:
        w = w[order]
        both = zip(running(w), running(w * excess), strict=True)
        bins = [
            np.interp(np.linspace(0, mass[-1], scores.BINS + 1), mass, gap) for mass, gap in both
        ]
        return np.abs(np.diff(bins, axis=1)).sum(axis=1) / w.sum(axis=0)

    return of_counts


_SCALARS = {
    "accuracy": lambda labels, p: mean_of((scores.predicted(p) == labels).astype(float)),
    "balanced_accuracy": _macro(1),
    "macro_f1": _macro(2),
    "auc": _auc,
    "ece": _ece,
    "log_loss": lambda labels, p: mean_of(scores.log_losses(labels, p)),
    "brier": lambda labels, p: mean_of(scores.brier_scores(labels, p)),
}
_FUNCTIONS = {**_SCALARS, "per_class": _class_ratios}
