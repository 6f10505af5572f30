"""Which trials the driver lets run at the same time; the engine here is the test's own."""

import io
import shutil
import threading
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from tlpipe.config.search import read_search
from tlpipe.errors import RunError
from tlpipe.pipeline.run import Run
from tlpipe.search.driver import Driver
from tlpipe.search.recipe import check, recipe
from tlpipe.search.record import Trial
from tlpipe.search.screen import Screen
from tlpipe.search.trial import Result


class Steered:
    """Runs nothing: ``then`` is called with each trial's folder, and ends trials as it likes."""

    def __init__(self, shares_cache, then):
        self.shares_cache, self.running, self.at_once, self._then = shares_cache, {}, [], then

    def submit(self, spec, batch_sizes, memory):
        folder = Path(spec.folder)
        self.running[folder.name] = future = Future()
        self.at_once.append(len(self.running))
        self._then(self, folder)
        return future

    def end(self, name):
        self.running.pop(name).set_result(Result("completed", 0.5, 0.5))

    def close(self):
        """Nothing to end."""


def make(folder, data, engine, **laid_over):
    file = read_search(**{"tuner": "random", "trials": 4, "workers": 2, **laid_over})
    raw = recipe(file, str(data), [])
    screen = Screen(Console(file=io.StringIO()), file, maximize=True)
    return Driver(file, raw, check(file, raw, folder), folder, engine, screen)


def run(folder, small, engine):
    driver = make(folder, small, engine)
    driver.run()
    return driver


@pytest.mark.parametrize(("shares_cache", "at_once"), [(True, 1), (False, 2)])
def test_where_trials_share_a_cache_the_first_fills_it_alone(
    small, tmp_path, shares_cache, at_once
):
    def then(engine, folder):
        if folder.name == "0000":
            # Time enough for another one to begin beside it.
            threading.Timer(0.5, engine.end, ["0000"]).start()
        else:
            engine.end(folder.name)

    engine = Steered(shares_cache, then)
    driver = run(tmp_path, small, engine)
    assert [trial.status for trial in driver.trials] == ["completed"] * 4
    assert engine.at_once[:2] == [1, at_once]


def test_when_its_head_is_trained_the_others_begin(small, tmp_path):
    def then(engine, folder):
        if folder.name == "0000":
            Run(folder, SimpleNamespace(seed=0)).record(
                "head", {"key": "", "summary": "", "seconds": 0}
            )
        else:
            for name in list(engine.running):
                engine.end(name)

    engine = Steered(True, then)
    driver = run(tmp_path, small, engine)
    assert [trial.status for trial in driver.trials] == ["completed"] * 4
    assert engine.at_once[:2] == [1, 2]


def test_scores_on_other_pictures_are_not_put_beside_those_before(small, tmp_path):
    data = shutil.copytree(small, tmp_path / "cells")
    one, *_ = sorted((data / "defective").iterdir())
    folder, console = tmp_path / "search", Console(quiet=True)
    make(folder, data, None).prepare(console)
    make(folder, data, None).prepare(console)
    kept = one.read_bytes()
    one.unlink()
    with pytest.raises(RunError, match="no longer those that the search"):
        make(folder, data, None).prepare(console)
    one.write_bytes(kept)
    make(folder, data, None).prepare(console)


def test_a_trial_that_goes_on_keeps_the_batches_it_got_along_with(small, tmp_path):
    driver = make(tmp_path, small, None, tuner="hyperband")
    halved = ["head.dropout=0.1", "head.batch_size=8", "unfreeze.batch_size=8"]
    driver.trials = [Trial(0, {"head.dropout": 0.1}, epochs=3, assignments=halved)]
    longer = driver.tried(Trial(1, {"head.dropout": 0.1}, epochs=8, after=0))
    assert driver.batch_sizes(longer) == {"head": 8, "unfreeze": 8}
    assert driver.batch_sizes(driver.tried(Trial(1, {"head.dropout": 0.1}))) == {
        "head": 32,
        "unfreeze": 32,
    }


@pytest.mark.parametrize("asked", [True, False])
def test_the_first_trial_is_the_recipe_as_it_is_unless_refused(small, tmp_path, asked):
    def then(engine, folder):
        engine.end(folder.name)

    driver = make(tmp_path, small, Steered(False, then), start=asked, trials=2)
    assert driver.start is None
    driver.run()
    own = [f"unfreeze.blocks={driver.pipeline.stages['unfreeze'].blocks}", "head.hidden=[]"]
    tried = driver.tried(driver.trials[0])
    assert (set(own) <= set(tried) and "head.learning_rate=0.004" in tried) == asked
    assert driver.start is (driver.trials[0] if asked else None)
