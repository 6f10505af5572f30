"""Several labels a picture, and a number: from a table of real cells to predictions."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import tlpipe
from tests.targets.cells import known, write_table
from tlpipe.cli.app import app
from tlpipe.data.manifest import Manifest

pytestmark = pytest.mark.slow
QUICK = {
    "head": {"epochs": 6, "batch_size": 16, "learning_rate": 0.01},
    "unfreeze": {"epochs": 2, "batch_size": 16, "blocks": 1},
    "evaluate": {"resamples": 200},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of each kind on 132 cells, with the real weights at 64 px."""
    folder = tmp_path_factory.mktemp("targets")
    table = write_table(folder / "labels.csv", every=20)

    def train(target, label, **more):
        settings = {**QUICK, "scan": {"target": target, "label": label}, **more}
        settings["backbone"] = {"resolution": 64}
        return tlpipe.finetune(table, out=folder / target, quiet=True, **settings)

    number = {
        "head": {**QUICK["head"], "learning_rate": 0.003},
        "evaluate": {"resamples": 200, "above": 120},
    }
    return {
        "labels": train("labels", "tags"),
        "number": train("number", "brightness", **number),
    }


def command(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def rows(run, name="predictions.csv"):
    with run.path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_labels_are_learned(finished):
    run = finished["labels"]
    test = json.loads(run.path("metrics.json").read_text())["test"]
    assert test["per_label"].keys() == {"defective", "mono"}
    # Mono and poly cells look nothing alike: what is not learned here is not learned at all.
    assert test["per_label"]["mono"]["auc"] > 0.9
    assert test["label_accuracy"] > test["none_right"]
    found = rows(run)
    assert found[0].keys() == {"path", "label", "predicted", "p:defective", "p:mono"}
    at = {name: test["per_label"][name]["threshold"] for name in test["per_label"]}
    for row in found:
        given = [name for name in at if float(row[f"p:{name}"]) >= at[name]]
        assert row["predicted"] == "|".join(given)
    card = run.path("README.md").read_text()
    assert "any of 2 labels, or none: defective, mono" in card
    assert "always answering" not in card
    assert run.path("plots/label_scores.svg").exists()


def test_a_number_is_learned(finished):
    run = finished["number"]
    test = json.loads(run.path("metrics.json").read_text())["test"]
    assert test["mae"] < test["constant"]["mae"]
    assert test["above"]["auc"] > 0.8
    found = rows(run)
    assert found[0].keys() == {"path", "label", "predicted"}
    off = np.mean([abs(float(row["label"]) - float(row["predicted"])) for row in found])
    assert off == pytest.approx(test["mae"], abs=1e-3)
    card = run.path("README.md").read_text()
    assert "It predicts a number from a picture: brightness." in card
    assert "mean absolute error" in card
    assert run.path("plots/true_and_predicted.svg").exists()
    history = rows(run, "history.csv")
    assert float(history[-1]["val_mae"]) > 0


def test_every_tenth_of_the_numbers_is_in_every_part(finished):
    manifest = Manifest.read(finished["number"].path("manifest.csv"))
    means = {
        part: np.mean([float(manifest.pictures[i].label) for i in manifest.indices(part)])
        for part in ("train", "val", "test")
    }
    assert np.ptp(list(means.values())) < 12, means


def test_the_saved_file_answers_as_the_run_did(finished, tmp_path):
    picture = known()[0][0]
    labels = tlpipe.load(finished["labels"].folder).predict(picture)[0]
    assert len(labels.probabilities) == 2
    assert set(labels.label.split("|")) <= {"defective", "mono", ""}
    number = tlpipe.load(finished["number"].folder).predict(picture)[0]
    assert float(number.label) == pytest.approx(number.probabilities[0], rel=1e-4)
    table = command("predict", finished["number"].folder, picture)
    assert "brightness" in table.output
    assert number.label[:6] in table.output
    out = tmp_path / "p.jsonl"
    assert command("predict", finished["number"].folder, picture, "--out", out).exit_code == 0
    row = json.loads(out.read_text())
    assert row["predicted"] == pytest.approx(number.probabilities[0])
    assert "probabilities" not in row
    table = command("predict", finished["labels"].folder, picture)
    assert "mono" in table.output, table.output


def test_scored_again_the_figures_are_the_same(finished):
    for name, told in (("labels", "all labels right"), ("number", "mean absolute error")):
        again = command("evaluate", finished[name].folder)
        assert again.exit_code == 0, again.output
        assert told in again.output


@pytest.mark.parametrize("name", ["labels", "number"])
@pytest.mark.parametrize(
    "args", [("report", "{}"), ("explain", "{}", "x.png"), ("predict", "{}", "x.png", "--dense")]
)
def test_what_needs_classes_says_so(finished, name, args):
    run = str(finished[name].folder)
    from tlpipe.errors import ConfigError

    found = command(*(run if arg == "{}" else arg for arg in args))
    assert isinstance(found.exception, ConfigError), found.output
    assert "for models that choose one class" in str(found.exception)
