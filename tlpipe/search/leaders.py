"""Which of the best can be told apart: run again with other seeds, and compared with the noise.

The best of many trials is partly the luckiest. Runs with seeds that no choice was made on say what
it is worth; the recipe that the search started from is run with the same seeds, and where it was a
trial it may win, too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student

from tlpipe.search.record import Trial, best_first
from tlpipe.search.trial import Spec

if TYPE_CHECKING:
    from tlpipe.search.driver import Driver
    from tlpipe.search.engine import Engine
    from tlpipe.search.screen import Screen

CONFIDENCE = 0.95
START = "start"


@dataclass(frozen=True)
class Leader:
    """A recipe that was run again.

    Attributes:
        name: the trial's, or ``start`` for the starting recipe where it was no trial.
        trial: None for the latter.
        first: its score in the search; None for the latter.
        scores: with the other seeds.
    """

    name: str
    trial: Trial | None
    first: float | None
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the other seeds; of the search where there are none."""
        return float(np.mean(self.scores)) if self.scores else self.first


@dataclass(frozen=True)
class Ranking:
    """The leaders, the best first.

    Attributes:
        leaders: with the starting recipe among them, where it was run.
        noise: standard deviation from seed to seed, pooled; None when it was not measured.
        apart: a smaller difference of two means is not told from chance; None likewise.
        start: name of the leader that is the starting recipe.
    """

    leaders: tuple[Leader, ...]
    noise: float | None = None
    apart: float | None = None
    start: str = START

    @property
    def winner(self) -> Leader:
        """The best one that was a trial."""
        return next(leader for leader in self.leaders if leader.trial is not None)

    def equals(self) -> list[str]:
        """Names of those that can't be told from the winner."""
        if self.apart is None:
            return []
        best = self.winner
        others = [leader for leader in self.leaders if leader is not best]
        return [x.name for x in others if abs(x.mean - best.mean) <= self.apart]


def confirm(driver: Driver, engine: Engine, screen: Screen) -> Ranking:
    """Runs the leaders, and the starting recipe, again with other seeds; each of them once."""
    search = driver.file.search
    best = different(best_first(driver.trials, driver.maximize))[: search.leaders]
    start = driver.start
    if start is not None and all(trial.values != start.values for trial in best):
        best.append(start)
    name = START if start is None else start.name
    if not search.confirm:
        return rank([Leader(t.name, t, t.score, ()) for t in best], driver.maximize, name)
    again = best if start is not None else [None, *best]
    # Runs side by side have different seeds, or they would fill the same cache together.
    wanted = [(trial, seed) for trial in again for seed in _seeds(driver)]
    known = {
        (event["leader"], event["seed"]): event
        for event in driver.journal.events()
        if event["event"] == "confirm"
    }
    started = [
        (trial, seed, _submit(driver, engine, trial, seed))
        for trial, seed in wanted
        if (_name(trial), seed) not in known
    ]
    if started:
        screen.confirming(len(started), _expected(driver, best, len(started)) / search.workers)
    for trial, seed, future in started:
        result = future.result()
        event = {"event": "confirm", "leader": _name(trial), "seed": seed, **asdict(result)}
        driver.journal.append(event)
        known[_name(trial), seed] = event
        screen.confirmed(_name(trial), seed, result)
    leaders = [
        Leader(_name(t), t, None if t is None else t.score, _scores(known, _name(t), driver))
        for t in again
    ]
    confirmed = [leader for leader in leaders if leader.scores]
    if all(leader.trial is None for leader in confirmed):
        # None of them ran with another seed: the search's own scores are all there is.
        confirmed = [Leader(t.name, t, t.score, ()) for t in best]
    return rank(confirmed, driver.maximize, name)


def different(trials: Sequence[Trial]) -> list[Trial]:
    """The best of each recipe, of ``trials`` in the order of their scores.

    A repetition of the same values is the same recipe, and so is the trial of hyperband that went
    on from another one: where their scores are equal, it is the one that was trained longer.
    """
    found: dict[str, Trial] = {}
    for trial in trials:
        values = json.dumps(trial.values, sort_keys=True)
        known = found.setdefault(values, trial)
        if known.score == trial.score and (trial.epochs or 0) > (known.epochs or 0):
            found[values] = trial
    return list(found.values())


def _expected(driver: Driver, best: Sequence[Trial], runs: int) -> float:
    """Seconds of all ``runs``; the first with each seed also fills that seed's cache."""
    timed = [trial.seconds for trial in best if trial.seconds]
    usual = sum(timed) / max(len(timed), 1)
    filling = max(driver.trials[0].seconds - usual, 0)
    return runs * usual + min(runs, len(_seeds(driver))) * filling


def _name(trial: Trial | None) -> str:
    return START if trial is None else trial.name


def _seeds(driver: Driver) -> list[int]:
    return [driver.pipeline.seed + 1 + number for number in range(driver.file.search.confirm)]


def _scores(known: dict[tuple[str, int], dict[str, Any]], name: str, driver: Driver) -> tuple:
    events = [known[name, seed] for seed in _seeds(driver)]
    return tuple(event["score"] for event in events if event["score"] is not None)


def _submit(driver: Driver, engine: Engine, trial: Trial | None, seed: int):
    folder = driver.folder / "confirm" / f"{_name(trial)}-seed-{seed}"
    tried = [] if trial is None else trial.assignments or driver.tried(trial)
    probe = trial or Trial(-1, {})
    spec: Spec = replace(
        driver.spec(probe),
        folder=str(folder),
        assignments=[*tried, f"seed={seed}"],
        after=None,
        bar=None,
    )
    return engine.submit(spec, driver.batch_sizes(spec.assignments), driver.memory)


def rank(leaders: Sequence[Leader], maximize: bool, start: str = START) -> Ranking:
    """Sorts the leaders by their mean and says how much of it is noise.

    The least difference is Fisher's: Student's t at 95 %, times the pooled standard deviation from
    seed to seed, times sqrt(2 / seeds).
    """
    ordered = sorted(leaders, key=lambda leader: -leader.mean if maximize else leader.mean)
    repeated = [leader for leader in ordered if len(leader.scores) > 1]
    freedom = sum(len(leader.scores) - 1 for leader in repeated)
    if not freedom:
        return Ranking(tuple(ordered), start=start)
    squares = sum(float(np.var(x.scores)) * len(x.scores) for x in repeated)
    noise = math.sqrt(squares / freedom)
    seeds = np.mean([len(leader.scores) for leader in repeated])
    apart = float(student.ppf((1 + CONFIDENCE) / 2, freedom) * noise * math.sqrt(2 / seeds))
    return Ranking(tuple(ordered), noise, apart, start)


def sentence(ranking: Ranking, objective: str, seeds: int) -> str:
    """What may be said of the winner, and what not."""
    best = ranking.winner
    unchanged = best.name == ranking.start
    who = f"Trial {best.name}{', the recipe you started from,' if unchanged else ''}"
    if ranking.apart is None:
        again = f" with another seed ({best.first:.4f} in the search)" if best.scores else ""
        return (
            f"{who} has the best validation {objective}, {best.mean:.4f}{again}. How "
            "much of that is luck was not measured: --confirm 3 runs the leaders with other seeds."
        )
    text = (
        f"{who} has the best mean validation {objective} over {seeds} other seeds, "
        f"{best.mean:.4f} ({best.first:.4f} in the search). From seed to seed it varies by "
        f"{ranking.noise:.4f}; differences under {ranking.apart:.4f} can't be told from chance."
    )
    equals = ranking.equals()
    trials = [name for name in equals if name != ranking.start]
    if trials:
        text += f" So {' and '.join(trials)} may be as good."
    start = next((leader for leader in ranking.leaders if leader.name == ranking.start), None)
    if start is None or unchanged:
        return text
    change = abs(best.mean - start.mean)
    if start.name in equals:
        return text + (
            f" The recipe you started from has {start.mean:.4f}: these runs can't tell the winner "
            f"from it (a difference of {change:.4f})."
        )
    ahead = ranking.leaders.index(best) < ranking.leaders.index(start)
    word = "better" if ahead else "WORSE"
    return text + (
        f" The recipe you started from has {start.mean:.4f}: the winner is {change:.4f} {word}."
    )
