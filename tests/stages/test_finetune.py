"""The main job on real pictures with the real weights: what the run folder holds, and resuming."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tlpipe
from tests.conftest import few
from tests.data.odd_files import bad_files
from tests.tiny import BEHIND_BLOCK2, BEHIND_TOP
from tlpipe.api import run_pipeline
from tlpipe.backbones.blocks import find_blocks
from tlpipe.backbones.build import build
from tlpipe.config.load import FINETUNE
from tlpipe.data.manifest import Manifest
from tlpipe.pipeline.atomic import read_json
from tlpipe.training import cache_folder
from tlpipe.training.activations import Activations
from tlpipe.training.checkpoint import load_weights

pytestmark = pytest.mark.slow

QUICK = {
    "backbone": {"resolution": 64},
    "head": {"epochs": 3, "batch_size": 16, "learning_rate": 0.01},
    "unfreeze": {"epochs": 3, "batch_size": 16, "blocks": 2},
    "prepare": {"views": 2},
    "select": {"on_tie": "unfrozen"},
    "evaluate": {"resamples": 200},
}
TLPIPE = (sys.executable, "-m", "tlpipe")
EXPECTED = """
README.md config.yaml manifest.csv model.keras history.csv metrics.json predictions.csv
bad_files.csv duplicates.csv log.txt plots/learning_curves.svg plots/confusion_matrix.svg
plots/augmented.png
"""
WEIGHTS = ("stages/head/weights.npz", "stages/unfreeze/weights.npz")


# Plain Keras first, without tlpipe to import, and then the command.
A_NEW_PROCESS = """
import sys
sys.modules["tlpipe"] = None
import keras, numpy as np
run, picture, out = sys.argv[1:]
model = keras.saving.load_model(run + "/model.keras", compile=False)
assert model.input.dtype == "uint8"
np.save(out + ".npy", model.predict(np.load(out + ".in.npy"), verbose=0))
del sys.modules["tlpipe"]
from tlpipe.cli.main import main
sys.argv = ["tlpipe", "predict", run, picture, "--format", "jsonl", "--out", out]
main()
"""


def quick(**stages):
    return {name: {**QUICK.get(name, {}), **stages.get(name, {})} for name in {**QUICK, **stages}}


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    return tlpipe.finetune(small, out=tmp_path_factory.mktemp("runs") / "first", **quick())


@pytest.fixture(scope="module")
def tiny_run(tiny_file):
    """Settings as QUICK's with a network that trains in no time."""

    def settings(**stages):
        return quick(**{**stages, "backbone": {"name": tiny_file}})

    return settings


@pytest.fixture(scope="module")
def tied(small, tiny_run, tmp_path_factory):
    """A run in which step three changed next to nothing."""
    still = {"blocks": 1, "epochs": 1, "learning_rate": 1e-9}
    settings = tiny_run(unfreeze=still, select={"on_tie": "head"})
    # What half precision rounds otherwise in step three than in step two can be told from chance.
    settings["backbone"]["precision"] = "float32"
    return tlpipe.finetune(small, out=tmp_path_factory.mktemp("tie") / "run", **settings), settings


def weights(folder):
    return [w for name in WEIGHTS for w in load_weights(folder / name)]


def assert_same_bits(first, second):
    assert len(first) == len(second) > 4
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_run_folder_holds_everything(run):
    for name in EXPECTED.split():
        assert run.path(name).stat().st_size > 10, name
    assert not list(run.folder.rglob("checkpoint.npz"))
    assert not [p for p in run.folder.rglob(".*") if p.name != ".lock"]


def test_the_scores_are_those_of_the_predictions(run):
    metrics = json.loads(run.path("metrics.json").read_text())["test"]
    with run.path("predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    manifest = Manifest.read(run.path("manifest.csv"))
    assert {r["path"] for r in rows} == {p.path for p in manifest.pictures if p.split == "test"}
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert metrics["accuracy"] == pytest.approx(right)
    low, high = metrics["intervals"]["accuracy"]
    assert low <= metrics["accuracy"] <= high
    assert sum(map(sum, metrics["confusion"])) == len(rows) == metrics["n"]


def test_what_was_frozen_has_the_pretrained_bits_and_the_rest_learned(run):
    import keras

    model = keras.saving.load_model(run.path("model.keras"), compile=False)
    original = build("efficientnet_lite0", size=64).model
    facts = read_json(run.path("stages/unfreeze/facts.json"))
    assert facts["trained"] == ["block7", "top", "head"]
    for block in find_blocks(original):
        for name in block.layers:
            norm = isinstance(original.get_layer(name), keras.layers.BatchNormalization)
            before = original.get_layer(name).get_weights()
            after = model.get_layer(name).get_weights()
            same = all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
            assert same == (norm or not before or block.name not in facts["trained"]), name


def test_a_new_process_predicts_the_same_bits_and_plain_keras_does_without_tlpipe(
    run, small, tmp_path
):
    import keras

    picture = sorted((small / "functional").iterdir())[0]
    here = tlpipe.load(run.folder).predict(picture)[0]
    out = tmp_path / "p.jsonl"
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype("uint8")
    np.save(f"{out}.in.npy", pixels)
    command = [sys.executable, "-c", A_NEW_PROCESS, run.folder, picture, out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    model = keras.saving.load_model(run.path("model.keras"), compile=False)
    plain = np.load(f"{out}.npy")
    np.testing.assert_array_equal(plain, model.predict(pixels, verbose=0))
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-6)
    there = json.loads(out.read_text())
    assert list(there["probabilities"]) == ["defective", "functional"]
    assert tuple(there["probabilities"].values()) == here.probabilities
    assert there["predicted"] == here.label


def test_the_predictions_file_is_what_predict_says(run, small):
    with run.path("predictions.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    said = tlpipe.load(run.folder).predict(small / row["path"])[0]
    written = [float(row[f"p:{name}"]) for name in ("defective", "functional")]
    np.testing.assert_allclose(said.probabilities, written, rtol=1e-6)


def test_the_log_dates_its_lines_and_tells_what_came_from_the_cache(run):
    lines = run.path("log.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines if line)
    epochs = [line for line in lines if re.search(r" head \d/3:", line)]
    told = ["cached)" in line for line in epochs]
    assert told == [False, False, True], "two views, so the third epoch decodes nothing"


def test_step_three_reads_what_step_two_stored(small, tiny_run, tmp_path, monkeypatch):
    monkeypatch.setenv("TLPIPE_CACHE", str(tmp_path / "cache"))
    once, twice = (tiny_run(unfreeze={"blocks": 1, "epochs": epochs}) for epochs in (1, 2))
    tlpipe.finetune(small, out=tmp_path / "run", **once)
    stored = {tuple(entry["facts"]["shape"]): entry for entry in cache_folder.stored()}
    assert set(stored) == {BEHIND_TOP[-1:], BEHIND_BLOCK2}
    values = Path(stored[BEHIND_BLOCK2]["folder"]) / "values.bin"
    before = values.stat().st_mtime_ns
    monkeypatch.setattr(Activations, "_compute", None)
    tlpipe.finetune(small, out=tmp_path / "run", **twice)
    assert values.stat().st_mtime_ns == before


def test_the_same_again_does_nothing_and_a_changed_step_only_itself(run, small):
    before = run.path("model.keras").stat().st_mtime_ns
    tlpipe.finetune(small, out=run.folder, **quick())
    assert run.path("model.keras").stat().st_mtime_ns == before
    lines = run.path("stages/journal.jsonl").read_text().splitlines()
    tlpipe.finetune(small, out=run.folder, **quick(evaluate={"resamples": 300}))
    started = [
        json.loads(line) for line in run.path("stages/journal.jsonl").read_text().splitlines()
    ]
    names = [entry["stage"] for entry in started[len(lines) :] if entry["event"] == "start"]
    assert names == ["evaluate", "report"]


def test_the_same_seed_gives_the_same_manifest_and_weights_with_cache_or_without(
    run, small, tiny_run, tmp_path, monkeypatch
):
    exact = {"cache_dtype": "float32"}
    monkeypatch.setenv("TLPIPE_CACHE", str(tmp_path / "cache"))
    cached = tlpipe.finetune(small, out=tmp_path / "on", **tiny_run(prepare=exact))
    plain = tlpipe.finetune(small, out=tmp_path / "off", **tiny_run(prepare={"cache": "off"}))
    manifests = {r.path("manifest.csv").read_bytes() for r in (run, cached, plain)}
    assert len(manifests) == 1
    assert_same_bits(weights(cached.folder), weights(plain.folder))
    again = tlpipe.finetune(small, out=tmp_path / "again", **tiny_run(prepare=exact))
    assert_same_bits(weights(cached.folder), weights(again.folder))


def test_a_run_killed_in_both_steps_resumes_to_the_same_bits(run, small, tmp_path):
    settings = [f"{s}.{k}={v}" for s, values in QUICK.items() for k, v in values.items()]
    command = [*TLPIPE, "finetune", "--data", small, "--out", tmp_path / "r"]
    command += [part for setting in settings for part in ("--set", setting)]
    environment = {**os.environ, "TLPIPE_CACHE": str(tmp_path / "cache")}
    log = tmp_path / "r" / "log.txt"
    for moment in ("head 1/", "unfreeze 2/"):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and not (log.exists() and moment in log.read_text()):
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (tmp_path / "r" / "metrics.json").exists()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert log.read_text().count("resuming after epoch") == 2
    assert_same_bits(weights(run.folder), weights(tmp_path / "r"))


def test_without_a_test_part_validation_is_what_is_scored(small, tiny_run, tmp_path):
    parts = {"train": 0.7, "val": 0.3, "test": 0}
    run = tlpipe.finetune(small, out=tmp_path / "run", **tiny_run(split=parts))
    metrics = json.loads(run.path("metrics.json").read_text())
    assert metrics.keys() == {"val"}
    with run.path("predictions.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == metrics["val"]["n"]


def test_on_a_tie_the_simpler_model_is_kept_and_the_person_is_told(tied):
    run, _ = tied
    choice = read_json(run.path("stages/select/choice.json"))
    assert (choice["verdict"], choice["kept"]) == ("tie", "head")
    assert "no difference that can be told from chance" in run.path("log.txt").read_text()


def test_what_was_said_of_a_model_goes_aside_when_another_takes_its_place(tied, small):
    run, settings = tied
    for name in ("evaluations/others/metrics.json", "report/index.html"):
        run.path(name).parent.mkdir(parents=True)
        run.path(name).write_text("of the old model")
    tlpipe.finetune(small, out=run.folder, **settings)
    assert run.path("report/index.html").exists(), "it is still the same model"
    tlpipe.finetune(small, out=run.folder, **{**settings, "select": {"on_tie": "unfrozen"}})
    assert not run.path("evaluations").exists()
    assert not run.path("report").exists()
    for name in ("evaluations/others/metrics.json", "report/index.html"):
        assert run.path(f"earlier/1/{name}").read_text() == "of the old model"
    said = "evaluations/ and report/ are of the model before: now in earlier/1/"
    assert run.path("log.txt").read_text().count(said) == 1
    tlpipe.finetune(small, out=run.folder, **settings)
    assert not run.path("earlier/2").exists(), "nothing had been said of the second"


def test_everything_unfrozen_runs_too(small, tmp_path):
    everything = quick(unfreeze={"blocks": "all", "epochs": 1}, head={"epochs": 1})
    # The smallest network there is: what counts is that no part of it is frozen.
    everything["backbone"] = {"name": "lenet5", "weights": "none"}
    run = tlpipe.finetune(small, out=tmp_path / "run", **everything)
    assert run.path("metrics.json").exists()


def test_a_loss_that_is_not_finite_stops_training_and_names_the_step(small, tiny_run, tmp_path):
    from tlpipe.errors import TrainingError

    wild = tiny_run(unfreeze={"learning_rate": 1e30, "clip_norm": None, "blocks": 1})
    with pytest.raises(
        TrainingError, match=r"The loss is (nan|inf) at step \d+ of epoch \d"
    ) as caught:
        tlpipe.finetune(small, out=tmp_path / "wild", **wild)
    assert "unfreeze.learning_rate=" in str(caught.value)
    log = (tmp_path / "wild" / "log.txt").read_text()
    assert "finished stages are kept: the same command goes on after them" in log
    assert f"other settings, --out {tmp_path / 'wild'}" in log


def test_a_pipeline_may_name_fewer_stages(small, tmp_path):
    raw = {"stages": {"scan": {"data": str(small)}, "split": {}}}
    run = run_pipeline(raw, out=tmp_path / "split")
    assert run.path("manifest.csv").exists()
    assert set(FINETUNE["stages"]) > set(run.state())


def test_bad_pictures_are_named_and_duplicates_stay_on_one_side(small, tiny_run, tmp_path):
    folder = few(small, tmp_path / "cells", 40)
    originals = sorted((folder / "functional").iterdir())[:10]
    for number, original in enumerate(originals):
        (folder / "functional" / f"copy{number}.png").write_bytes(original.read_bytes())
    for name, (data, _) in bad_files().items():
        (folder / "defective" / name).write_bytes(data)
    settings = tiny_run(head={"epochs": 1}, unfreeze={"blocks": "none"})
    run = tlpipe.finetune(folder, out=tmp_path / "run", **settings)
    with run.path("bad_files.csv").open(encoding="utf-8", newline="") as file:
        named = {row["path"].split("/")[1]: row["cause"] for row in csv.DictReader(file)}
    assert set(named) == set(bad_files())
    assert len(named) == 12
    assert all(named.values())
    part = {p.path: p.split for p in Manifest.read(run.path("manifest.csv")).pictures}
    for number, original in enumerate(originals):
        assert part[f"functional/copy{number}.png"] == part[f"functional/{original.name}"]
    assert "12 files were set aside" in run.path("log.txt").read_text()
