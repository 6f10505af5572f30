"""Heads with layers of their own through the whole recipe, on real pictures."""

import json
import subprocess
import sys

import numpy as np
import pytest

import tlpipe
from tests.tiny import BEHIND_BLOCK2, BEHIND_TOP
from tlpipe.api import run_pipeline
from tlpipe.errors import ConfigError
from tlpipe.training import cache_folder, checkpoint
from tlpipe.training.checkpoint import load_weights

pytestmark = pytest.mark.slow

CHANNELS = BEHIND_TOP[-1]
# What is stored in front of each head.
HEADS = {"netvlad": BEHIND_TOP, "spp": (5 * CHANNELS,)}
# A new process knows a head's layers only by the file it loads.
PREDICT = """
import sys, tlpipe
picture, *runs = sys.argv[1:]
for run in runs:
    print(*tlpipe.load(run).predict(picture)[0].probabilities)
"""


def settings(backbone, pool, epochs=1, **head):
    head = {"pool": pool, "levels": [1, 2], "clusters": 4, "learning_rate": 0.01, **head}
    return {
        "backbone": {"name": backbone, "resolution": 64},
        "head": {"epochs": epochs, "batch_size": 16, **head},
        "unfreeze": {"epochs": 1, "batch_size": 16, "blocks": 1},
        "prepare": {"views": 1},
        "select": {"on_tie": "unfrozen"},
        "evaluate": {"resamples": 100},
    }


@pytest.fixture(scope="module")
def runs(small, tiny_file, tmp_path_factory):
    """pool -> its finished run and the shapes that its caches hold."""
    found = {}
    for pool in HEADS:
        folder = tmp_path_factory.mktemp(pool)
        hidden = {"hidden": "16", "l2": 1e-4} if pool == "spp" else {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TLPIPE_CACHE", str(folder / "cache"))
            run = tlpipe.finetune(small, out=folder / "run", **settings(tiny_file, pool, **hidden))
            shapes = {tuple(entry["facts"]["shape"]) for entry in cache_folder.stored()}
        found[pool] = run, shapes
    return found


@pytest.mark.parametrize("pool", HEADS)
def test_a_run_trains_and_evaluates(pool, runs):
    run, shapes = runs[pool]
    assert shapes == {HEADS[pool], BEHIND_BLOCK2}, "the head's boundary and that of step three"
    metrics = json.loads(run.path("metrics.json").read_text())["test"]
    assert metrics["n"] > 5
    assert 0 <= metrics["accuracy"] <= 1
    said = "NetVLAD starts from 4 clusters" in run.path("log.txt").read_text()
    assert said == (pool == "netvlad")


def test_a_new_process_reloads_them_and_predicts_the_same_bits(runs, small):
    picture = sorted((small / "functional").iterdir())[0]
    folders = [run.folder for run, _ in runs.values()]
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, picture, *folders], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for folder, line in zip(folders, done.stdout.splitlines(), strict=True):
        there = tuple(float(p) for p in line.split())
        assert there == tlpipe.load(folder).predict(picture)[0].probabilities
        assert sum(there) == pytest.approx(1, abs=1e-5)


def test_a_step_that_is_resumed_goes_on_from_its_weights_not_from_the_clusters(
    small, tmp_path, monkeypatch
):
    # The smallest network there is: what is resumed is the head.
    asked = settings("lenet5", "netvlad", epochs=2) | {"backbone": {"name": "lenet5"}}
    stages = {"scan": {"data": str(small)}, "split": {}}
    # No further than the step in question.
    stages |= {name: asked[name] for name in ("backbone", "prepare", "head")}
    pipeline = {"seed": 0, "stages": stages}
    whole = run_pipeline(pipeline, out=tmp_path / "whole")
    save = checkpoint.save

    def save_and_stop(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run_pipeline(pipeline, out=tmp_path / "cut")
    assert (tmp_path / "cut" / "stages" / "head" / "checkpoint.npz").exists()
    resumed = run_pipeline(pipeline, out=tmp_path / "cut")
    assert "resuming after epoch 1" in resumed.path("log.txt").read_text()
    first, second = (load_weights(run.path("stages/head/weights.npz")) for run in (whole, resumed))
    assert len(first) == len(second) > 4
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_pyramid_too_fine_is_refused_before_the_scan(small, tiny_file, tmp_path):
    finer = settings(tiny_file, "spp", levels=[1, BEHIND_TOP[0] + 1])
    with pytest.raises(ConfigError, match="does not fit the feature map"):
        tlpipe.finetune(small, out=tmp_path / "run", **finer)
    assert not (tmp_path / "run" / "stages").exists()
