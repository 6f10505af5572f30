"""The main job with the JAX backend and no TensorFlow to import."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# As if TensorFlow were not installed: importing it, or looking for it, fails.
WITHOUT_TENSORFLOW = """
import importlib.abc, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tf_keras_vis", "tensorflow_datasets"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
from tlpipe.cli.main import main
sys.argv = ["tlpipe", *sys.argv[1:]]
main()
"""


def tlpipe(*arguments, folder):
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "TLPIPE_CACHE": str(folder / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_finetune_evaluate_predict_and_explain_run_on_jax(small, tmp_path):
    pytest.importorskip("jax", reason="the test extra installs JAX; this environment lacks it")
    run = tmp_path / "run"
    shown = tlpipe(
        "finetune", "--data", small, "--out", run, "--resolution", 32, "--batch-size", 16,
        "--head-epochs", 1, "--unfreeze-epochs", 1, "--unfreeze", 1, folder=tmp_path,
    )  # fmt: skip
    assert "backend jax" in shown
    metrics = json.loads((run / "metrics.json").read_text())["test"]
    assert f"accuracy {metrics['accuracy']:.3f}" in tlpipe("evaluate", run, folder=tmp_path)
    shown = tlpipe("predict", run, small / "functional", "--format", "jsonl", folder=tmp_path)
    assert len(shown.splitlines()) == 40
    predicted = {json.loads(line)["predicted"] for line in shown.splitlines()}
    assert predicted <= {"defective", "functional"}
    picture = sorted((small / "functional").iterdir())[0]
    tlpipe("explain", run, picture, "--out", tmp_path / "panels", folder=tmp_path)
    assert len(list((tmp_path / "panels").glob("*.png"))) == 1
