"""A search on real pictures: what it leaves, what becomes of bad trials, and what a kill costs."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from rich.console import Console

from tlpipe.artifact.model_file import read_metadata, save
from tlpipe.config.search import read_search
from tlpipe.errors import RunError
from tlpipe.pipeline.atomic import read_json, write_json
from tlpipe.pipeline.lock import holding
from tlpipe.search.average import average
from tlpipe.search.engine import Local
from tlpipe.search.search import search

pytestmark = pytest.mark.slow

PLANT = Path(__file__).with_name("plant.py")
TRIALS = 5
RECIPE = {
    "prepare": {"views": 2},
    "head": {"epochs": 2, "batch_size": 16},
    "unfreeze": {"epochs": 2, "batch_size": 16},
    "evaluate": {"resamples": 100},
}
SPACE = {
    "unfreeze.blocks": {"choice": [1, 2]},
    "head.learning_rate": {"low": 0.001, "high": 0.05, "log": True},
}


@pytest.fixture(scope="module")
def file(tiny_file, tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "search.yaml"
    recipe = {**RECIPE, "backbone": {"name": tiny_file, "resolution": 64}}
    # Enough for a tiny network, and soon eaten up.
    search = {"tuner": "random", "workers": 2, "memory": 2.5, "leaders": 1, "confirm": 1}
    search |= {"trials": TRIALS, "objective": f"{PLANT}:score"}
    path.write_text(yaml.safe_dump({"search": search, "recipe": recipe, "space": SPACE}))
    return path


def start(small, file, out, *more):
    arguments = ["search", "--data", str(small), "--space", str(file), "--out", str(out), *more]
    return subprocess.Popen(
        [sys.executable, "-m", "tlpipe", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def rows(folder):
    with (folder / "trials.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def found(small, file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("searches") / "first"
    process = start(small, file, folder)
    said, _ = process.communicate(timeout=500)
    assert process.returncode == 0, said
    return folder, said


def test_bad_trials_are_marked_and_explained_and_the_search_goes_on(found):
    folder, said = found
    table = rows(folder)
    assert [row["status"] for row in table] == ["completed", *["failed"] * 3, "completed"]
    assert "nan" in table[1]["reason"]
    assert "exit code 7: the last words of a process" in table[2]["reason"]
    assert "more than 2.5 GB" in table[3]["reason"]
    assert "batch size halved to 8" in table[3]["notes"]
    assert "batch size halved to 4" in table[3]["notes"]
    assert "trial 0002 failed" in said


def test_the_winner_is_a_run_like_any_other_and_alone_saw_the_test_part(found):
    folder, said = found
    table = rows(folder)
    best = max((row for row in table if row["score"]), key=lambda row: float(row["score"]))
    tested = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("metrics.json")}
    assert tested == {"best"}
    kept = yaml.safe_load((folder / "best.yaml").read_text())
    rate = float(best["head.learning_rate"])
    assert kept["stages"]["head"]["learning_rate"] == pytest.approx(rate)
    assert yaml.safe_load((folder / "best" / "config.yaml").read_text()) == kept
    weights = folder / "trials" / best["trial"] / "model.keras"
    assert weights.read_bytes() == (folder / "best" / "model.keras").read_bytes()
    told = "On the test part, which only the winner was scored on, and once: accuracy"
    assert told in " ".join(said.split())
    # The leader and the starting recipe were run with a seed of their own on the same pictures.
    repeated = sorted(path.name for path in (folder / "confirm").iterdir() if path.is_dir())
    assert repeated == [f"{best['trial']}-seed-1", "start-seed-1"]
    manifests = {path.read_bytes() for path in folder.rglob("manifest.csv")}
    assert len(manifests) == 1


def test_the_page_stands_alone_and_names_every_trial(found):
    page = (found[0] / "index.html").read_text(encoding="utf-8")
    for number in range(TRIALS):
        assert f"<td>{number:04d}</td>" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/svg+xml;base64,") >= 3


def again(small, file, folder, **laid_over):
    search_file = read_search(file, **laid_over)
    engine = Local(1)
    console = Console(file=io.StringIO(), width=200)
    try:
        search(
            search_file,
            data=str(small),
            assignments=[],
            folder=folder,
            engine=engine,
            console=console,
        )
    finally:
        engine.close()
    return console.file.getvalue()


def test_the_same_search_again_runs_no_trial(found, small, file):
    folder, _ = found
    before = (folder / "search.jsonl").read_bytes()
    said = again(small, file, folder)
    assert (folder / "search.jsonl").read_bytes() == before
    assert "going on after trial 0004" in said


def test_two_searches_in_one_folder_and_another_search_are_refused(found, small, file, tmp_path):
    folder, _ = found
    with holding(folder), pytest.raises(RunError, match="Another process is working in"):
        again(small, file, folder)
    with pytest.raises(RunError, match="holds another search"):
        again(small, file, folder, seed=9)
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(RunError, match=r"holds other things, such as 'thesis.doc'"):
        again(small, file, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_kills_of_the_driver_and_of_a_worker_change_nothing(found, small, file, tmp_path):
    folder, few = tmp_path / "killed", ("--trials", "3", "--confirm", "0")
    process = start(small, file, folder, *few)
    wait_for(lambda: (folder / "trials" / "0000" / "stages" / "head").exists(), process)
    children = trial_processes(folder)
    process.kill()
    process.wait()
    # A trial does not outlive its driver, or the next one would work beside it.
    wait_for(lambda: not any(alive(pid) for pid in children))
    assert children
    process = start(small, file, folder, *few)
    wait_for(lambda: trial_processes(folder, "0000"), process)
    [pid] = trial_processes(folder, "0000")
    os.kill(pid, signal.SIGKILL)
    said, _ = process.communicate(timeout=500)
    assert process.returncode == 0, said
    changing = ("seconds", "memory_mb", "notes", "reason")
    for row, other in zip(rows(folder), rows(found[0])[:3], strict=True):
        assert {k: v for k, v in row.items() if k not in changing} == {
            k: v for k, v in other.items() if k not in changing
        }
    assert "was killed (signal 9): run again" in rows(folder)[0]["notes"]


def wait_for(condition, process=None, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        assert process is None or process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


def trial_processes(folder, name=""):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if "tlpipe.search.trial" in words and str(folder / "trials" / name) in " ".join(words):
            found.append(int(entry.name))
    return found


def alive(pid):
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_the_leaders_become_one_model_and_what_that_gained_is_said(found, tmp_path):
    folder, _ = found
    with pytest.raises(RunError, match="none has the same network and head"):
        average(folder, 2, tmp_path, Console(quiet=True))
    with pytest.raises(RunError, match=r"holds other things, such as 'README.md'"):
        average(folder, 2, folder / "best", Console(quiet=True))
    # As a search with two leaders leaves it.
    copy = tmp_path / "search"
    shutil.copytree(folder, copy)
    names = ["0000", "0004"]
    best = read_json(copy / "leaders.json")["trials"][0]
    other = next(name for name in names if name != best)
    shutil.copy(copy / "trials" / best / "model.keras", copy / "trials" / other)
    model = keras.saving.load_model(copy / "trials" / other / "model.keras")
    for weight in model.trainable_weights:
        # More than a shift, which softmax would not see where only the head is trained.
        weight.assign(1.5 * weight + 0.02)
    save(model, copy / "trials" / other / "model.keras", read_metadata(copy / "best/model.keras"))
    write_json(copy / "leaders.json", {"trials": [best, other]})
    console = Console(file=io.StringIO(), width=300)
    gained = average(copy, 3, copy / "top-3", console)
    assert gained.trials == [best, other]
    kept = read_metadata(copy / "top-3" / "model.keras").kept
    assert kept == f"average of {best}, {other}"
    first, second, mean = (
        keras.saving.load_model(path / "model.keras").weights
        for path in (copy / "trials" / best, copy / "trials" / other, copy / "top-3")
    )
    for a, b, c in zip(first, second, mean, strict=True):
        np.testing.assert_allclose((a.numpy() + b.numpy()) / 2, c.numpy(), rtol=1e-6, atol=1e-7)
    assert gained.scores["winner"] != gained.scores["weights"]
    assert "validation log loss" in console.file.getvalue()


def test_a_journal_says_all_there_is_to_go_on_with(found):
    events = [json.loads(line) for line in (found[0] / "search.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("start") == kinds.count("end") == TRIALS
    assert kinds.count("confirm") == 2


def test_a_ray_cluster_that_loses_a_machine_gives_the_same_trials(found, small, file, tmp_path):
    pytest.importorskip("ray", reason="Ray is an extra of half a gigabyte: pip install tlpipe[ray]")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    try:
        folder = tmp_path / "ray"
        process = start(small, file, folder, "--engine", "ray", "--address", cluster.address)
        wait_for(lambda: (folder / "trials" / "0001" / "log.txt").exists(), process)
        cluster.remove_node(second, allow_graceful=False)
        said, _ = process.communicate(timeout=500)
    finally:
        cluster.shutdown()
    assert process.returncode == 0, said
    compared = ("trial", "status", "score", "head_score", *SPACE)
    for row, other in zip(rows(folder), rows(found[0]), strict=True):
        assert [row[key] for key in compared] == [other[key] for key in compared]
