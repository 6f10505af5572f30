"""Which values next: keras-tuner's oracle, in this process, rebuilt from the journal."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import keras_tuner
from sklearn.exceptions import ConvergenceWarning

from tlpipe.config.search import Scalar, Search, SearchFile
from tlpipe.search.space import hyperparameters
from tlpipe.search.values import Values, rounded

# Random trials before the Gaussian process takes over.
FIRST = 8


@dataclass(frozen=True)
class Proposal:
    """A trial to run.

    Attributes:
        number: from 0, in the order proposed.
        values: what the space's settings become.
        epochs: where hyperband wants step three paused; None to train it to its end.
        after: the trial that hyperband goes on from.
    """

    number: int
    values: Values
    epochs: int | None = None
    after: int | None = None


class Proposer:
    """Proposes trials, and learns from how they end.

    keras-tuner's own files are not used: they are not written atomically, and they miss the random
    state. The same events in the same order make the same oracle, so the journal is the state.
    """

    def __init__(
        self,
        file: SearchFile,
        *,
        maximize: bool,
        max_epochs: int,
        start: dict[str, Scalar] | None = None,
    ):
        """``start`` are the first trial's values, as keras-tuner holds them; None: it draws them.

        Hyperband draws them always: it has a whole round of first trials.
        """
        self._space = file.space
        self._oracle = _oracle(file, maximize, max_epochs)
        self._oracle.verbose = 0
        self._oracle.start = start

    def propose(self) -> Proposal | str | None:
        """The next trial; ``"wait"`` until another one ends; None when there are no more."""
        # An own name for each, as the oracle would give the same trial to the same worker again.
        with warnings.catch_warnings():
            # Of a Gaussian process on a few points, which a person can do nothing about.
            warnings.simplefilter("ignore", ConvergenceWarning)
            trial = self._oracle.create_trial(f"worker-{len(self._oracle.trials)}")
        if trial.status == "IDLE":
            return "wait"
        if trial.status == "STOPPED":
            return None
        values = trial.hyperparameters.values
        epochs, after = values.get("tuner/epochs"), values.get("tuner/trial_id")
        return Proposal(
            int(trial.trial_id),
            rounded(values, self._space),
            epochs,
            None if after is None else int(after),
        )

    def finish(self, number: int, score: float | None, reason: str = "") -> None:
        """Tells how a trial ended: its validation score, or None when it failed."""
        trial = self._by_number(number)
        if score is None:
            trial.status, trial.message = "FAILED", reason
        else:
            self._oracle.update_trial(trial.trial_id, {"score": score})
            trial.status = "COMPLETED"
        self._oracle.end_trial(trial)

    def _by_number(self, number: int) -> Any:
        return next(t for t in self._oracle.trials.values() if int(t.trial_id) == number)


class _InMemory:
    """Keeps an oracle from writing its files."""

    def save(self) -> None:
        """Nothing: see :class:`Proposer`."""

    def _save_trial(self, trial) -> None:
        pass


class _FromTheStart(_InMemory):
    """The first trial's values are given, so that what is learned later is measured by them."""

    start: dict[str, Scalar] | None = None

    def populate_space(self, trial_id):
        if self.start is None or self.trials:
            return super().populate_space(trial_id)
        return {"status": "RUNNING", "values": dict(self.start)}


class _Random(_FromTheStart, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(_FromTheStart, keras_tuner.oracles.BayesianOptimizationOracle):
    pass


class _Hyperband(_InMemory, keras_tuner.oracles.HyperbandOracle):
    """Draws another trial for one that failed in a bracket's first round.

    keras-tuner goes on with the best only once the whole round was completed: one failure would
    cost a place in the next, and with it the trial that is trained to its end. As many again as the
    round has are drawn at most, or a space in which everything fails would never end.
    """

    def populate_space(self, trial_id):
        for bracket in self._brackets:
            first = bracket["rounds"][0]
            spare = bracket.setdefault("spare", self._get_size(bracket["bracket_num"], 0))
            failed = [entry for entry in first if self._failed(entry["id"])][:spare]
            bracket["spare"] = spare - len(failed)
            for entry in failed:
                first.remove(entry)
        return super().populate_space(trial_id)

    def _random_values(self):
        values = super()._random_values()
        if values is None:
            # The space has fewer values than the round has places, and keras-tuner would end the
            # search with every trial paused. A repetition costs nothing: the driver knows twins.
            tried, self._tried_so_far = self._tried_so_far, set()
            values = super()._random_values()
            self._tried_so_far = tried
        return values

    def _failed(self, trial_id: str) -> bool:
        return trial_id in self.trials and self.trials[trial_id].status == "FAILED"


def _oracle(file: SearchFile, maximize: bool, max_epochs: int) -> keras_tuner.Oracle:
    settings: Search = file.search
    common = {
        "objective": keras_tuner.Objective("score", "max" if maximize else "min"),
        "hyperparameters": hyperparameters(file.space),
        # keras-tuner takes 0 for "any".
        "seed": file.seed + 1,
        # It is for the driver to say when failures are too many.
        "max_consecutive_failed_trials": 10**9,
    }
    if settings.tuner == "hyperband":
        return _Hyperband(max_epochs=max_epochs, factor=settings.factor, **common)
    # How many trials there are is the driver's to say, so that a search can be made longer.
    if settings.tuner == "random":
        return _Random(max_trials=None, **common)
    # keras-tuner's own default, three a dimension, would leave most searches random to their end.
    return _Bayesian(max_trials=None, num_initial_points=FIRST, **common)
