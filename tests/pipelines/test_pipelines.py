"""Every example that people copy runs, on a small part of the pictures and with a tiny network."""

import json
from pathlib import Path

import pytest
import yaml

from tlpipe.api import run_pipeline
from tlpipe.config.load import read_yaml, validate
from tlpipe.config.settings import STAGE_SETTINGS

PIPELINES = Path(__file__).parents[2] / "pipelines"
# These two are files of other commands, and the last is albumentations' own format.
OTHERS = {"search.yaml", "audit.yaml", "augment_example.yaml"}
RUNS = sorted(path.name for path in PIPELINES.glob("*.yaml") if path.name not in OTHERS)
SHORT = ("backbone.resolution=64", "head.epochs=1", "unfreeze.epochs=1", "evaluate.resamples=100")


@pytest.mark.parametrize("name", RUNS)
def test_every_line_teaches_something(name):
    text = (PIPELINES / name).read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"tlpipe run pipelines/{name} --data photos/" in text
    if name != "finetune.yaml":
        assert "To expect on the demo's solar cells" in text
    for stage, settings in yaml.safe_load(text)["stages"].items():
        unknown = set(settings or {}) - set(STAGE_SETTINGS[stage].model_fields)
        assert not unknown, (stage, unknown)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RUNS if name != "finetune.yaml"])
def test_every_pipeline_runs(name, small, tiny_file, tmp_path):
    file = PIPELINES / name
    raw = read_yaml(file)
    # A network of no weights is its own point; the others stand in for the pretrained one.
    own = raw["stages"]["backbone"].get("weights") == "none"
    network = () if own else (f"backbone.name={tiny_file}",)
    # The split of few_shot.yaml leaves two pictures a class of these 80.
    share = (
        ("split.train=0.2", "split.val=0.2", "split.test=0.6") if name == "few_shot.yaml" else ()
    )
    run = run_pipeline(
        file, assignments=(f"scan.data={small}", *SHORT, *network, *share), out=tmp_path / "run"
    )
    assert set(run.state()) == set(validate(raw).stages)
    scores = json.loads(run.path("metrics.json").read_text(encoding="utf-8"))
    assert 0 <= scores["test"]["accuracy"] <= 1
    assert run.path("README.md").exists()
    if "export" in raw["stages"]:
        assert (run.path("export") / "onnx" / "use.py").exists()
        assert (run.path("export") / "litert-int8" / "check.json").exists()
