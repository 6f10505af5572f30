"""Heads with layers of their own through the whole recipe, on real pictures and real weights."""

import json
import subprocess
import sys

import numpy as np
import pytest

import tlpipe
from tlpipe.api import run_pipeline
from tlpipe.errors import ConfigError
from tlpipe.training import cache_folder, checkpoint
from tlpipe.training.checkpoint import load_weights

pytestmark = pytest.mark.slow


def settings(pool, epochs=1, **head):
    head = {"pool": pool, "levels": [1, 2], "clusters": 4, "learning_rate": 0.01, **head}
    return {
        "backbone": {"resolution": 64},
        "head": {"epochs": epochs, "batch_size": 16, **head},
        "unfreeze": {"epochs": 1, "batch_size": 16, "blocks": 1},
        "prepare": {"views": 1},
        "select": {"on_tie": "unfrozen"},
        "evaluate": {"resamples": 100},
    }


@pytest.mark.parametrize(("pool", "stored"), [("netvlad", (2, 2, 1280)), ("spp", (5 * 1280,))])
def test_a_run_trains_evaluates_reloads_and_predicts(pool, stored, small, tmp_path, monkeypatch):
    monkeypatch.setenv("TLPIPE_CACHE", str(tmp_path / "cache"))
    hidden = {"hidden": "16", "l2": 1e-4} if pool == "spp" else {}
    run = tlpipe.finetune(small, out=tmp_path / "run", **settings(pool, **hidden))
    shapes = {tuple(entry["facts"]["shape"]) for entry in cache_folder.stored()}
    assert shapes == {stored, (2, 2, 320)}, "the head's boundary and that of step three"
    metrics = json.loads(run.path("metrics.json").read_text())["test"]
    assert metrics["n"] > 5
    assert 0 <= metrics["accuracy"] <= 1
    said = "NetVLAD starts from 4 clusters" in run.path("log.txt").read_text()
    assert said == (pool == "netvlad")

    picture = sorted((small / "functional").iterdir())[0]
    here = tlpipe.load(run.folder).predict(picture)[0]
    code = (
        "import sys, tlpipe\nprint(*tlpipe.load(sys.argv[1]).predict(sys.argv[2])[0].probabilities)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, run.folder, picture], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    there = tuple(float(p) for p in done.stdout.split())
    assert there == here.probabilities
    assert sum(there) == pytest.approx(1, abs=1e-5)


def test_a_step_that_is_resumed_goes_on_from_its_weights_not_from_the_clusters(
    small, tmp_path, monkeypatch
):
    # The smallest network there is: what is resumed is the head.
    asked = settings("netvlad", epochs=2) | {"backbone": {"name": "lenet5", "weights": "none"}}
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


def test_a_pyramid_too_fine_is_refused_before_the_scan(small, tmp_path):
    with pytest.raises(ConfigError, match="does not fit the feature map"):
        tlpipe.finetune(small, out=tmp_path / "run", **settings("spp", levels=[1, 4]))
    assert not (tmp_path / "run" / "stages").exists()
