"""The main job with the JAX backend and no TensorFlow to import."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BACKBONES = Path(__file__).parents[1] / "backbones"

# As if TensorFlow were not installed: importing it, or looking for it, fails.
WITHOUT_TENSORFLOW = """
import importlib.abc, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tf_keras_vis", "tensorflow_datasets"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
from tlpipe.cli.main import main
for command in sys.argv[1:]:
    name, *rest = command.splitlines()
    if name == "python":
        exec("\\n".join(rest))
    else:
        sys.argv = [name, *rest]
        try:
            main()
        except SystemExit as ended:
            if ended.code:
                raise
    print("====", flush=True)
"""
# The bundled weights and the network as PyTorch has them.
LITE0 = """
import base64, json
import numpy as np
from lite_pictures import photographs
from tlpipe.backbones import registry
from tlpipe.backbones.efficientnet_lite import efficientnet_lite
from tlpipe.backbones.lite_weights import load_torch_weights, verified_bundle
with open("reference/lite0_logits.json") as file:
    reference = json.load(file)
model = efficientnet_lite(0, include_top=True)
load_torch_weights(model, 0, verified_bundle(registry.get("efficientnet_lite0").bundle))
pixels = photographs(reference["size"])["coffee.png"]
expected = np.frombuffer(base64.b64decode(reference["pictures"]["coffee.png"]["logits"]), "<f4")
print(np.abs(model.predict_on_batch(pixels[None])[0] - expected).max())
"""


def new_process(*commands, folder):
    """What each of the commands, run one after the other in one new process, showed."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(map(str, [BACKBONES, BACKBONES.parents[1]])),
        "TLPIPE_CACHE": str(folder / "cache"),
        # Compiling takes most of the time: neither thoroughly nor twice.
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    lines = ["\n".join(map(str, command)) for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *lines],
        env=environment,
        cwd=BACKBONES,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("====\n")[:-1]


def test_finetune_evaluate_predict_and_explain_run_on_jax(small, tiny_file, tmp_path):
    pytest.importorskip("jax", reason="the test extra installs JAX; this environment lacks it")
    run, panels = tmp_path / "run", tmp_path / "panels"
    finetune = (
        "tlpipe", "finetune", "--data", small, "--out", run, "--backbone", tiny_file,
        "--resolution", 64, "--batch-size", 16,
        "--head-epochs", 1, "--unfreeze-epochs", 1, "--unfreeze", 1,
    )  # fmt: skip
    (shown,) = new_process(finetune, folder=tmp_path)
    assert "backend jax" in shown
    metrics = json.loads((run / "metrics.json").read_text())["test"]
    picture = sorted((small / "functional").iterdir())[0]
    evaluated, predicted, _, lite0 = new_process(
        ("tlpipe", "evaluate", run),
        ("tlpipe", "predict", run, small / "functional", "--format", "jsonl"),
        ("tlpipe", "explain", run, picture, "--out", panels),
        ("python", LITE0),
        folder=tmp_path,
    )
    assert f"accuracy {metrics['accuracy']:.3f}" in evaluated
    assert len(predicted.splitlines()) == 40
    labels = {json.loads(line)["predicted"] for line in predicted.splitlines()}
    assert labels <= {"defective", "functional"}
    assert len(list(panels.glob("*.png"))) == 1
    assert float(lite0) < 2e-5
