"""Several processes that train one model: two of this machine, which meet on loopback."""

import csv
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tlpipe.backend import import_backend
from tlpipe.errors import ConfigError
from tlpipe.training.checkpoint import load_weights
from tlpipe.training.devices import device_names

# 56 pictures train, in batches of 15, and the last of 11: shares that don't come out even.
SETTINGS = (
    "backbone.resolution=64", "head.epochs=2", "unfreeze.epochs=2", "unfreeze.blocks=1",
    "head.batch_size=15", "unfreeze.batch_size=15", "head.dropout=0", "prepare.views=2",
    "evaluate.resamples=100", "select.on_tie=unfrozen",
)  # fmt: skip


def start(small, tiny_file, folder, cache, devices, together=None):
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "TLPIPE_CACHE": str(cache),
        **(together or {}),
    }
    environment.pop("TF_CONFIG", None)
    words = ["finetune", "--data", small, "--out", folder, "--backbone", tiny_file, *devices]
    words += [word for setting in SETTINGS for word in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, "-m", "tlpipe", *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(*processes):
    said = [process.communicate(timeout=400)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return said


def losses(folder):
    with (folder / "history.csv").open(newline="") as file:
        return [[float(row["loss"]), float(row["val_loss"])] for row in csv.DictReader(file)]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
def test_two_processes_learn_what_one_does(small, tiny_file, tmp_path):
    pytest.importorskip("jax", reason="the test extra installs JAX; this environment lacks it")
    alone, both = tmp_path / "alone", tmp_path / "both"
    finished(start(small, tiny_file, alone, tmp_path / "cache", ()))
    meet = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{free_port()}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    }
    first, second = finished(
        *(
            start(
                small, tiny_file, both, tmp_path / f"cache-{rank}", ("--devices", "all"),
                {**meet, "KERAS_DISTRIBUTION_PROCESS_ID": str(rank)},
            )
            for rank in range(2)
        )
    )  # fmt: skip
    assert "on 2 devices" in first
    assert "head 1/2" not in second, "one of them tells, and not both"
    np.testing.assert_allclose(losses(both), losses(alone), atol=1e-5)
    for step in ("head", "unfreeze"):
        files = [folder / "stages" / step / "weights.npz" for folder in (alone, both)]
        for a, b in zip(*map(load_weights, files), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    assert not (both / "processes").exists()
    assert (both / "model.keras").exists()


def test_what_does_not_go_together_is_said(monkeypatch):
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "2")
    with pytest.raises(ConfigError, match="with JAX only"):
        import_backend()
    with pytest.raises(ConfigError, match="on all their devices") as error:
        device_names(1)
    assert "--devices all" in error.value.todo
