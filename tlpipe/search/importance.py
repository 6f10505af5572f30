"""Which settings mattered: how much worse a forest predicts the score with one of them shuffled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score

from tlpipe.config.search import Knob
from tlpipe.search.record import Trial
from tlpipe.search.values import as_yaml

ENOUGH = 10
REPEATS = 20


@dataclass(frozen=True)
class Importance:
    """What the trials tell of the settings.

    Attributes:
        shares: of each key of the space, summing to 1, the largest first; empty when the trials
            tell nothing.
        explained: share of the score's variance that the forest predicts for trials it was not
            grown on; None when there are too few trials.
    """

    shares: dict[str, float]
    explained: float | None


def importance(
    trials: Sequence[Trial], space: Mapping[str, tuple[Knob, ...]], seed: int
) -> Importance:
    """Permutation importance (Breiman 2001) in a forest of the scored trials, out of bag.

    Args:
        trials: those without a score are left out.
        space: what was tried.
        seed: of the forest and of the shuffling.
    """
    scored = [trial for trial in trials if trial.score is not None]
    if len(scored) < ENOUGH:
        return Importance({}, None)
    x = np.array([[position(t, key, space[key]) for key in space] for t in scored])
    y = np.array([trial.score for trial in scored])
    forest = RandomForestRegressor(300, oob_score=True, random_state=seed, min_samples_leaf=2)
    forest.fit(x, y)
    explained = float(r2_score(y, forest.oob_prediction_))
    if explained <= 0:
        return Importance({}, explained)
    random = np.random.default_rng(seed)
    base = _error(forest, x, y)
    rise = {}
    for column, key in enumerate(space):
        errors = []
        for _ in range(REPEATS):
            shuffled = x.copy()
            shuffled[:, column] = random.permutation(shuffled[:, column])
            errors.append(_error(forest, shuffled, y))
        rise[key] = max(0.0, float(np.mean(errors)) - base)
    total = sum(rise.values())
    if not total:
        return Importance({}, explained)
    ordered = sorted(rise, key=rise.get, reverse=True)
    return Importance({key: rise[key] / total for key in ordered}, explained)


def _error(forest: RandomForestRegressor, x: np.ndarray, y: np.ndarray) -> float:
    """Mean squared error of each trial by the trees that have not seen it."""
    total, count = np.zeros(len(y)), np.zeros(len(y))
    for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        unseen = np.setdiff1d(np.arange(len(y)), drawn)
        total[unseen] += tree.predict(x[unseen])
        count[unseen] += 1
    seen = count > 0
    return float(np.mean((total[seen] / count[seen] - y[seen]) ** 2))


def position(trial: Trial, key: str, knobs: tuple[Knob, ...]) -> float:
    """Where a trial's value lies among those tried, 0 to 1; -0.2 where the setting did not apply.

    A choice counts by its place in the list, a range by its bounds, on a logarithmic scale if so.
    """
    if key not in trial.values:
        return -0.2
    value = trial.values[key]
    for knob in knobs:
        if knob.choice is not None:
            listed = [as_yaml(choice) for choice in knob.choice]
            text = value if isinstance(value, str) and value in listed else as_yaml(value)
            if text in listed:
                return listed.index(text) / max(len(listed) - 1, 1)
        elif not isinstance(value, str) and knob.low <= value <= knob.high * (1 + 1e-9):
            scale = math.log if knob.log else float
            low, high = scale(knob.low), scale(knob.high)
            return (scale(value) - low) / (high - low)
    return -0.2
