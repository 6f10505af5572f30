"""Whole runs on a CSV and on a data set of TFDS, with a network that trains in no time."""

import csv
import shutil

import numpy as np
import pytest
from rich.console import Console

import tlpipe
from tests.conftest import few
from tlpipe.artifact.classifier import find_pictures
from tlpipe.audit.readable import read
from tlpipe.data.manifest import Manifest
from tlpipe.data.source import open_root
from tlpipe.stages.evaluation import evaluate_folder, evaluate_run
from tlpipe.stages.views import validation_pictures

QUIET = Console(quiet=True)


def quick(tiny_file, **scan):
    step = {"epochs": 1, "batch_size": 8}
    return {
        "scan": scan,
        "backbone": {"name": tiny_file, "resolution": 32},
        "head": step,
        "unfreeze": {**step, "blocks": 1},
        "evaluate": {"resamples": 100},
    }


def table_of(cells, folder, extra):
    """Half the pictures with a given part, and some with a given group."""
    part = ("train", "valid", "test", "train")
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(("path", "kind", "split", "group", "camera"))
        for number, picture in enumerate(sorted(cells.glob("*/*.png"))):
            path = f"cells/{picture.relative_to(cells).as_posix()}"
            row = (path, picture.parent.name, part[number % 4], f"m{number // 8}", number)
            writer.writerow(row)
        writer.writerows(extra)


@pytest.fixture(scope="module")
def from_table(small, tiny_file, tmp_path_factory):
    home = tmp_path_factory.mktemp("table")
    cells = few(small, home / "cells", 12)
    table_of(cells, home, [("cells/gone.png", "defective", "test", "", 1)])
    data = home / "labels.csv"
    run = tlpipe.finetune(data, out=home / "run", quiet=True, **quick(tiny_file, label="kind"))
    return run, home


def test_a_table_s_parts_and_groups_are_those_of_the_run(from_table):
    run, home = from_table
    manifest = Manifest.read(run.path("manifest.csv"))
    with (home / "labels.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file, delimiter=";")}
    assert len(manifest.pictures) == 24
    for picture in manifest.pictures:
        row = rows[picture.path]
        given = "val" if row["split"] == "valid" else row["split"]
        assert (picture.label, picture.split, picture.group) == (row["kind"], given, row["group"])
    assert "cells/gone.png,there is no such file" in run.path("bad_files.csv").read_text()
    assert str(home / "labels.csv") in run.path("README.md").read_text()
    assert evaluate_run(run.folder, QUIET)["n"] == 6
    # All parts and groups were given: nothing was split one by one.
    assert "split one by one" not in run.path("README.md").read_text()


def test_the_same_table_again_runs_nothing(from_table, tiny_file):
    run, home = from_table
    model = run.path("model.keras").stat().st_mtime_ns
    settings = quick(tiny_file, label="kind")
    again = tlpipe.finetune(home / "labels.csv", out=run.folder, quiet=True, **settings)
    assert again.path("model.keras").stat().st_mtime_ns == model


def test_a_run_scores_other_tables_and_its_own_manifest(from_table, tmp_path):
    run, home = from_table
    target = tmp_path / "run"
    shutil.copytree(run.folder, target)
    found = evaluate_folder(target, home / "labels.csv", QUIET)
    assert found["n"] == 24
    assert (target / "evaluations" / home.name / "metrics.json").exists()
    assert evaluate_folder(target, run.path("manifest.csv"), QUIET)["n"] == 24
    assert evaluate_folder(target, home / "cells", QUIET)["accuracy"] == found["accuracy"]


def test_other_pictures_too_are_drawn_by_the_groups_of_the_run(from_table, tmp_path, capsys):
    run, home = from_table
    target = tmp_path / "run"
    shutil.copytree(run.folder, target)
    config = (target / "config.yaml").read_text()

    def groups_by(pattern):
        (target / "config.yaml").write_text(config.replace("group: null", f"group: {pattern}"))
        found = evaluate_folder(target, home / "cells", Console())
        return found["bootstrap"].get("groups")

    assert "group: null" in config
    assert groups_by("null") is None
    # Twelve pictures of each class, named by number: those that end in the same digit.
    assert groups_by(r"'(\d)\.png'") == len({p.stem[-1] for p in home.glob("cells/*/*.png")})
    assert groups_by("nothing_like_it") is None
    shown = " ".join(capsys.readouterr().out.split())
    assert "matches no picture. Each counts by itself in the intervals" in shown


@pytest.fixture(scope="module")
def from_tfds(tfds_cells, tiny_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("of_tfds") / "run"
    settings = quick(tiny_file)
    return tlpipe.finetune(f"tfds:{tfds_cells}", out=folder, quiet=True, **settings)


def test_a_data_set_of_tfds_is_trained_on_and_read_again(from_tfds, tfds_cells, tmp_path):
    run = from_tfds
    assert run.pipeline.stages["scan"].data == f"tfds:{tfds_cells}"
    metrics = evaluate_run(run.folder, QUIET)
    assert metrics["n"] == sum(
        metrics["per_class"][name]["support"] for name in metrics["per_class"]
    )
    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    assert evaluate_folder(copy, f"tfds:{tfds_cells}", QUIET)["n"] == 40
    assert (copy / "evaluations" / "solar_cells" / "predictions.csv").exists()


def test_the_same_pictures_as_files_give_the_same_model(from_tfds, tfds_cells, tiny_file, tmp_path):
    root, manifest = open_root(f"tfds:{tfds_cells}"), from_tfds.path("manifest.csv")
    # Under the same names, so that order and split are the same.
    for picture in Manifest.read(manifest).pictures:
        target = tmp_path / "set" / f"{picture.path}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((root / picture.path).read_bytes())
    with (tmp_path / "set" / "labels.csv").open("w", newline="") as file:
        rows = [(p.path, p.label) for p in Manifest.read(manifest).pictures]
        csv.writer(file).writerows([("path", "label"), *rows])
    data = tmp_path / "set" / "labels.csv"
    run = tlpipe.finetune(data, out=tmp_path / "run", quiet=True, **quick(tiny_file))
    assert run.path("manifest.csv").read_bytes() == manifest.read_bytes()
    for name in ("stages/head/weights.npz", "stages/unfreeze/weights.npz"):
        with np.load(run.path(name)) as ours, np.load(from_tfds.path(name)) as theirs:
            assert ours.files == theirs.files
            for key in ours.files:
                np.testing.assert_array_equal(ours[key], theirs[key])


def test_views_of_a_run_on_tfds_are_made_of_its_pictures(from_tfds):
    classifier = tlpipe.load(from_tfds.folder)
    files = find_pictures(validation_pictures(from_tfds.folder, classifier, QUIET))
    pictures, errors = read(classifier.metadata, files)
    assert len(pictures) == len(Manifest.read(from_tfds.path("manifest.csv")).indices("val"))
    assert not errors
