"""A long call of predict in shares, by hand as a cluster would do it."""

import json
import os
import shlex
import shutil

import cv2
import keras
import pytest
from skimage import data

from tlpipe.artifact import shards
from tlpipe.artifact.classifier import load
from tlpipe.artifact.model_file import Metadata, save
from tlpipe.artifact.shards import Job, merge, predict_shard
from tlpipe.errors import ConfigError, RunError
from tlpipe.pipeline.shard import Shard

NAMES = ("cat", "cup, with saucer", "भाषा")


def write_model(path, seed):
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 64, -2.0, dtype="float32")(image)
    start = keras.initializers.HeNormal(seed=seed)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", kernel_initializer=start)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    start = keras.initializers.GlorotNormal(seed=seed)
    x = keras.layers.Dense(len(NAMES), kernel_initializer=start)(x)
    facts = {"backbone": "small", "weights": "none", "split": "", "kept": "head", "versions": {}}
    about = Metadata(class_names=NAMES, size=32, resize="crop", seed=0, temperature=1.7, **facts)
    save(keras.Model(image, keras.layers.Softmax()(x)), path, about)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A model, and a folder of twelve files of which two are no pictures."""
    folder = tmp_path_factory.mktemp("originals")
    write_model(folder / "model.keras", seed=0)
    (folder / "pictures" / "more").mkdir(parents=True)
    cat = data.chelsea()[..., ::-1]
    for i in range(10):
        name = ("more/" if i % 3 == 0 else "") + f"{i}.png"
        cv2.imwrite(
            str(folder / "pictures" / name), cat[20 * i : 20 * i + 90, 30 * i : 30 * i + 99]
        )
    (folder / "pictures" / "05.png").write_bytes(b"no picture")
    (folder / "pictures" / "more" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    return folder


@pytest.fixture
def place(originals, tmp_path, monkeypatch):
    shutil.copytree(originals, tmp_path / "all")
    monkeypatch.chdir(tmp_path / "all")
    return tmp_path / "all"


@pytest.fixture
def job(place):
    return Job("model.keras", ("pictures",), place / "p.csv", batch_size=3)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_shards_put_together_are_the_bytes_of_one_call(call, place, ending):
    asked = ["predict", "model.keras", "pictures", "--batch-size", 3, "--calibrated", "--out"]
    code, _, aside = call(*asked, f"whole.{ending}")
    assert code == 0
    assert "12 rows written to whole" in aside
    assert "2 of 12 files could not be read" in aside
    for number in (4, 1, 3, 2):
        code, _, aside = call(*asked, f"p.{ending}", "--shard", f"{number}/4")
        assert code == 0
        assert f"3 rows written to p.shard-{number}-of-4.{ending}" in aside
    code, _, aside = call(*asked, f"p.{ending}", "--merge", 4)
    assert code == 0
    assert "12 rows written to p" in aside
    whole = (place / f"whole.{ending}").read_bytes()
    assert (place / f"p.{ending}").read_bytes() == whole
    code, shown, _ = call(*asked[:-1], "--format", ending)
    assert shown.encode() == whole
    expected = load("model.keras").predict("pictures", batch_size=3, calibrated=True)
    if ending == "jsonl":
        rows = [json.loads(line) for line in whole.splitlines()]
        assert [row["path"] for row in rows] == [p.path for p in expected]
        numbers = [tuple(row["probabilities"].values()) for row in rows]
        assert numbers == [p.probabilities for p in expected]
        assert sum(bool(row["error"]) for row in rows) == 2
    assert not [p.name for p in place.iterdir() if p.name.startswith(".")]


def test_more_shards_than_pictures_are_merged_too(job):
    for number in range(1, 17):
        predict_shard(job, Shard(number, 16))
    assert merge(job, 16).rows == 12
    assert (job.out.parent / "p.shard-03-of-16.csv").exists()
    assert merge(job, 16).bad == 2


def test_a_killed_share_leaves_nothing_and_a_finished_one_is_kept(call, place, job, monkeypatch):
    predict_shard(job, Shard(1, 2))
    seen = []

    def killed(done, total):
        seen.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_shard(job, Shard(2, 2), killed)
    assert seen == [(3, 6)]
    with pytest.raises(RunError, match="2/2 missing") as caught:
        merge(job, 2)
    command = str(caught.value).split("`")[1]
    assert "--shard 2/2" in command
    code, _, aside = call(*shlex.split(command)[1:])
    assert code == 0
    assert "6 rows" in aside
    monkeypatch.setattr(shards, "load", lambda run: pytest.fail("made again"))
    assert predict_shard(job, Shard(1, 2)).kept
    code, _, aside = call(*shlex.split(command)[1:])
    assert "(kept)" in aside
    assert merge(job, 2).rows == 12


def changed_file(job):
    with (job.out.parent / "p.shard-1-of-2.csv").open("ab") as file:
        file.write(b"x\n")


def no_record(job):
    (job.out.parent / "p.shard-1-of-2.csv.json").unlink()


def other_model(job):
    write_model(job.out.parent / "model.keras", seed=1)


def new_picture(job):
    shutil.copy("pictures/1.png", "pictures/11.png")


def changed_picture(job):
    os.utime("pictures/1.png", ns=(0, 10**18))


@pytest.mark.parametrize(
    ("change", "why", "how_many"),
    [
        (changed_file, "1/2 its file was changed since", 1),
        (no_record, "1/2 unfinished", 1),
        (changed_picture, "1/2 its pictures were changed since", 1),
        (other_model, "1/2 made with another model; 2/2 made with", 2),
        (new_picture, "made from another list of pictures", 2),
    ],
)
def test_a_share_that_is_stale_is_named_and_made_again(job, change, why, how_many):
    for number in (1, 2):
        predict_shard(job, Shard(number, 2))
    change(job)
    with pytest.raises(RunError, match=f"{how_many} of 2 shards") as caught:
        merge(job, 2)
    assert why in str(caught.value)
    assert not job.out.exists()
    kept = [predict_shard(job, Shard(number, 2)).kept for number in (1, 2)]
    assert kept == [False, how_many == 1]
    merge(job, 2)
    shards.predict_all(Job(job.run, job.pictures, job.out.with_name("whole.csv"), batch_size=3))
    assert job.out.read_bytes() == job.out.with_name("whole.csv").read_bytes()


def test_other_options_and_another_number_of_shards_are_not_mixed(job):
    predict_shard(job, Shard(1, 1))
    other = Job(job.run, job.pictures, job.out, batch_size=3, calibrated=True)
    with pytest.raises(RunError, match="made with other options") as caught:
        merge(other, 1)
    assert "--batch-size 3 --calibrated --shard 1/1" in str(caught.value)
    with pytest.raises(RunError, match="1/2 missing; 2/2 missing"):
        merge(job, 2)


def test_rows_are_written_while_they_are_made(place, monkeypatch):
    """Of many pictures no more than a batch of probabilities is held."""
    classifier = load("model.keras")
    held = []
    real = type(classifier).predict_arrays
    monkeypatch.setattr(
        type(classifier), "predict_arrays", lambda self, x: held.append(len(x)) or real(self, x)
    )
    stream = classifier.stream(sorted(place.glob("pictures/*.png")), range(2, 7), batch_size=4)
    assert next(stream).path.endswith("2.png")
    assert held == [4], "the second batch waits until the first has been taken"
    assert len(list(stream)) == 4
    assert held == [4, 4]


def test_a_file_name_that_is_not_utf8_does_not_stop_the_others(place, call):
    odd = os.fsencode(place / "pictures") + b"/\xff.png"
    with open(odd, "wb") as file:
        file.write((place / "pictures" / "1.png").read_bytes())
    code, _, aside = call("predict", "model.keras", "pictures", "--out", "p.jsonl")
    assert code == 0, aside
    rows = [json.loads(line) for line in (place / "p.jsonl").read_text("utf-8").splitlines()]
    assert any(os.fsencode(row["path"]).endswith(b"\xff.png") for row in rows)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--shard", "0/4", "--out", "p.csv"], ["no shard 0/4", "from 1"]),
        (["--shard", "5/4", "--out", "p.csv"], ["no shard 5/4"]),
        (["--shard", "3", "--out", "p.csv"], ["'3' is not a shard", "3/16"]),
        (["--shard", "1/4", "--merge", "4", "--out", "p.csv"], ["leave out one"]),
        (["--shard", "1/4"], ["--out predictions.csv"]),
        (["--merge", "4", "--format", "jsonl"], ["--out predictions.jsonl"]),
        (["--shard", "1/4", "--out", "p.txt"], ["written as rows"]),
        (["--shard", "1/4", "--dense"], ["--shard is not for maps"]),
    ],
)
def test_a_shard_that_makes_no_sense_is_refused(call, place, options, words):
    code, _, shown = call("predict", "model.keras", "pictures", *options)
    assert code == 2
    for word in words:
        assert word in shown
    assert not list(place.glob("p.*"))


@pytest.mark.parametrize(("count", "of"), [(0, 3), (1, 3), (7, 3), (16, 16), (1000003, 17)])
def test_shares_are_contiguous_complete_and_equal(count, of):
    parts = [Shard(number, of).range(count) for number in range(1, of + 1)]
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert sum(map(len, parts)) == count
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_share_that_is_none_is_a_clear_error():
    with pytest.raises(ConfigError, match="no shard 3/2"):
        Shard(3, 2)


def test_a_cluster_needs_to_be_told_what_to_do(call, place):
    for more in (("--engine", "ray"), ("--shards", 4), ("--engine", "ray", "--shards", 4)):
        code, _, aside = call("predict", "model.keras", "pictures", *more)
        assert code == 2
        assert "all of --engine ray, --shards N and --out FILE.csv" in aside


def test_a_ray_cluster_makes_the_bytes_of_one_call(call, place):
    pytest.importorskip("ray", reason="Ray is an extra of half a gigabyte: pip install tlpipe[ray]")
    asked = ["predict", "model.keras", "pictures", "--batch-size", 3, "--out"]
    assert call(*asked, "whole.csv")[0] == 0
    # One is there, one is half-written: only the others are made.
    assert call(*asked, "p.csv", "--shard", "2/3")[0] == 0
    before = (place / "p.shard-2-of-3.csv").stat().st_mtime_ns
    (place / "p.shard-3-of-3.csv").write_bytes(b"path,")
    code, _, aside = call(*asked, "p.csv", "--engine", "ray", "--shards", 3)
    assert code == 0, aside
    assert "12 rows written to p.csv" in aside
    assert (place / "p.csv").read_bytes() == (place / "whole.csv").read_bytes()
    assert (place / "p.shard-2-of-3.csv").stat().st_mtime_ns == before
    (place / "model.keras").write_bytes(b"no model")
    code, _, aside = call(*asked, "p.csv", "--engine", "ray", "--shards", 3)
    assert code == 2
    assert "was not made by tlpipe" in aside
