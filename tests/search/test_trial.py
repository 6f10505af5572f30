"""One trial: what it shares with others, where it stops, and that a longer one goes on exactly."""

import re
import sys
from subprocess import PIPE, Popen

import numpy as np
import pytest
from rich.console import Console

from tlpipe.config.load import FINETUNE, override, validate
from tlpipe.errors import ConfigError, TrainingError
from tlpipe.pipeline.atomic import read_json
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.runner import execute
from tlpipe.search.objective import check_objective, evaluate, load_objective, maximized
from tlpipe.search.trial import BEFORE, Spec, run_trial
from tlpipe.stages.registry import STAGES
from tlpipe.targets.classes import Classes
from tlpipe.targets.number import Number
from tlpipe.training.checkpoint import load_weights

EPOCHS = 3


@pytest.fixture(scope="module")
def raw(small, tiny_file):
    return override(
        FINETUNE,
        [
            f"scan.data={small}",
            "split.seed=0",
            f"backbone.name={tiny_file}",
            "backbone.resolution=64",
            "prepare.views=2",
            "head.epochs=2",
            "head.learning_rate=0.02",
            f"unfreeze.epochs={EPOCHS}",
            "unfreeze.blocks=1",
            "unfreeze.learning_rate=0.003",
            "select.on_tie=unfrozen",
        ],
    )


@pytest.fixture(scope="module")
def folder(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    pipeline = validate(raw)
    run = Run(folder / "base", pipeline, Console(quiet=True))
    execute(run, [STAGES[name](pipeline.stages[name]) for name in BEFORE])
    return folder


def spec(folder, raw, name, *assignments, **more):
    return Spec(
        folder=str(folder / name),
        pipeline=raw,
        assignments=list(assignments),
        objective="auc",
        base=str(folder / "base"),
        place=str(folder),
        **more,
    )


@pytest.fixture(scope="module")
def whole(folder, raw):
    return run_trial(spec(folder, raw, "whole"))


def unfrozen(folder, name):
    return load_weights(folder / name / "stages" / "unfreeze" / "weights.npz")


def test_a_trial_takes_over_scan_and_split_and_never_tests(folder, whole):
    assert whole.status == "completed"
    assert whole.score > 0.5
    log = (folder / "whole" / "log.txt").read_text()
    assert "scan: 80 pictures" in log
    assert "decoding" not in log
    assert re.search(r"\[1/5\] scan: .* \(kept\)\n.* \[2/5\] split: .* \(kept\)\n.* \[3/5\]", log)
    assert not (folder / "whole" / "metrics.json").exists()
    same = (folder / "whole" / "manifest.csv").read_bytes()
    assert same == (folder / "base" / "manifest.csv").read_bytes()


def test_a_paused_trial_that_goes_on_ends_with_the_weights_of_one_that_never_paused(
    folder, raw, whole
):
    short = run_trial(spec(folder, raw, "short", "unfreeze.pause=1"))
    assert short.status == "completed"
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(unfrozen(folder, "short"), unfrozen(folder, "whole"), strict=True)
    )
    long = run_trial(spec(folder, raw, "long", after=str(folder / "short")))
    assert long.score == whole.score
    for a, b in zip(unfrozen(folder, "long"), unfrozen(folder, "whole"), strict=True):
        np.testing.assert_array_equal(a, b)
    log = (folder / "long" / "log.txt").read_text()
    assert "resuming after epoch 1" in log
    assert "head 1/2" not in log


@pytest.mark.parametrize(("best", "gain", "status"), [(2.0, 0.1, "stopped"), (0.1, 0, "completed")])
def test_a_trial_that_cannot_catch_up_is_stopped_after_its_head(folder, raw, best, gain, status):
    bar = {"best": best, "gain": gain, "maximize": True}
    result = run_trial(spec(folder, raw, f"bar-{best}", bar=bar))
    assert result.status == status
    trained = (folder / f"bar-{best}" / "stages" / "unfreeze" / "facts.json").exists()
    assert trained == (status == "completed")
    if status == "stopped":
        assert result.score == result.head_score
        assert "the 2.0000 of the best trial" in result.reason


def test_another_seed_trains_another_model_on_the_same_split(folder, raw, whole):
    other = run_trial(spec(folder, raw, "seed", "seed=1"))
    assert other.head_score != whole.head_score
    same = (folder / "seed" / "manifest.csv").read_bytes()
    assert same == (folder / "base" / "manifest.csv").read_bytes()


def test_sgd_trains_too(folder, raw):
    rate = "head.learning_rate=0.1"
    tried = ["head.optimizer=sgd", rate, "head.epochs=16", "unfreeze.blocks=none"]
    run_trial(spec(folder, raw, "sgd", *tried))
    history = read_json(folder / "sgd" / "stages" / "head" / "facts.json")["history"]
    assert history[-1]["loss"] < history[0]["loss"]


def test_an_objective_is_a_known_score_or_a_function_of_the_users(tmp_path):
    labels, logits = np.array([0, 1, 1]), np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    two, truth = Classes("ab"), np.eye(2)[labels]
    assert evaluate("accuracy", two, truth, logits) == pytest.approx(2 / 3)
    file = tmp_path / "mine.py"
    file.write_text("def last(labels, probabilities):\n    return probabilities[-1, 0]\n")
    assert evaluate(f"{file}:last", two, truth, logits) == pytest.approx(np.e / (np.e + 1))
    with pytest.raises(ConfigError, match="did you mean 'macro_f1'"):
        load_objective("macrof1")
    with pytest.raises(ConfigError, match="has no function 'first'"):
        load_objective(f"{file}:first")
    number = Number("age")
    off = evaluate("mae", number, np.array([[1.0], [2.0]]), np.array([[1.5], [2.0]]))
    assert off == pytest.approx(0.25)
    assert not maximized("mae")
    with pytest.raises(ConfigError, match="'auc' is not for a target of the kind 'number'"):
        check_objective("auc", Number)
    with pytest.raises(TrainingError, match="auc is None"):
        evaluate("auc", two, np.eye(2)[[1, 1, 1]], logits)


def test_one_trial_caches_for_the_boundaries_of_all_the_others(folder, raw):
    raw = override(raw, ["prepare.boundaries=[1, 2]", "prepare.cache_dtype=float32"])
    first = run_trial(spec(folder, raw, "one-block", "unfreeze.blocks=1"))
    second = run_trial(spec(folder, raw, "two-blocks", "unfreeze.blocks=2"))
    assert first.head_score == second.head_score
    log = (folder / "two-blocks" / "log.txt").read_text()
    assert "head 1/2" in log
    assert log.count("cached)") == 2 + EPOCHS
    alone = override(raw, ["prepare.boundaries=[]", "prepare.cache=off", "unfreeze.blocks=2"])
    run_trial(spec(folder, alone, "alone"))
    for a, b in zip(unfrozen(folder, "alone"), unfrozen(folder, "two-blocks"), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("seconds", "closes", "code"), [(0, False, 0), (600, True, 3)])
def test_a_trial_s_process_ends_cleanly_by_itself_and_with_its_driver(seconds, closes, code):
    trial = "import time; from tlpipe.search.trial import _end_with_parent; _end_with_parent(); "
    command = [sys.executable, "-c", f"{trial} print('on', flush=True); time.sleep({seconds})"]
    with Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout.readline() == b"on\n"
        if closes:
            process.stdin.close()
        assert process.wait(60) == code
        assert process.stderr.read() == b""
