"""Maps of scores from the command line: what is written, shown and refused."""

import json
import os

import cv2
import numpy as np
import pytest
from skimage import data


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved classifier of 160 px, stride 32, without padding."""
    from tests.dense.networks import average, classifier, unpadded
    from tlpipe.artifact.model_file import Metadata, save

    path = tmp_path_factory.mktemp("run") / "model.keras"
    names = ("cat", "cup", "$x^2", "भाषा", "dog")
    facts = {"backbone": "small", "weights": "none", "split": "", "kept": "head", "versions": {}}
    metadata = Metadata(class_names=names, size=160, resize="crop", seed=0, **facts)
    save(classifier(160, unpadded, average), path, metadata)
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    cv2.imwrite(str(folder / "cup.png"), data.coffee()[..., ::-1])
    cv2.imwrite(str(folder / "cup.jpg"), data.coffee()[..., ::-1])
    cv2.imwrite(str(folder / "more" / "cat.jpg"), data.chelsea()[..., ::-1])
    (folder / "broken.jpg").write_bytes(b"no picture")
    cv2.imwrite(str(folder / "thin.png"), np.zeros((2, 4000, 3), np.uint8))
    return folder


def test_each_picture_gets_its_map_and_broken_ones_are_named(call, model, pictures, tmp_path):
    out = tmp_path / "maps"
    code, shown, aside = call(
        "predict", model, pictures, "--dense", "--out", out, "--format", "jsonl"
    )
    assert code == 0, aside
    rows = {
        os.path.relpath(row["path"], pictures): row
        for row in map(json.loads, shown.split("\n")[:-1])
    }
    assert set(rows) == {"cup.png", "cup.jpg", "more/cat.jpg", "broken.jpg", "thin.png"}
    assert "too large: with a short side" in rows["thin.png"]["error"]
    assert "2 of 5 files could not be read" in aside
    assert "3 maps written" in aside
    assert "the next 32 pixels on" in " ".join(aside.split())
    written = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    stems = ("cup.png", "cup.jpg", "more/cat")
    assert written == {f"{stem}.dense.{end}" for stem in stems for end in ("npy", "png")}

    row = rows["cup.png"]
    # 600x400, the short side at 160 * 12 / 7 = 274, rounded down to 160 + 3 * 32.
    assert row["size"] == [256, 384]
    scores = np.load(out / "cup.png.dense.npy")
    assert scores.dtype == np.float32
    assert list(scores.shape) == [*row["map"], 5] == [4, 8, 5]
    best = scores.mean(axis=(0, 1)).argmax()
    assert row["predicted"] == ("cat", "cup", "$x^2", "भाषा", "dog")[best]
    assert row["score"] == pytest.approx(scores[..., best].mean(), abs=1e-6)
    i, j = row["place"]
    assert row["highest"] == pytest.approx(scores[..., best].max()) == scores[i, j, best]
    left, top, right, bottom = row["box"]
    assert (left, top) == (round(j * 32 * 600 / 384), round(i * 32 * 400 / 256))
    assert (right - left, bottom - top) == (250, 250)
    drawn = cv2.imread(str(out / "cup.png.dense.png"))
    assert drawn.shape[1] > drawn.shape[0] > 300


def test_the_map_is_the_models_own_scores_of_the_windows(call, model, pictures, tmp_path):
    from tests.dense.networks import one_by_one
    from tlpipe.artifact.classifier import load
    from tlpipe.data.resize import resize

    out = tmp_path / "maps"
    code, shown, _ = call(
        "predict", model, pictures / "more" / "cat.jpg", "--dense", "--out", out,
        "--size", 224, "--output-stride", 16,
    )  # fmt: skip
    assert code == 0
    assert "cat.jpg" in shown
    picture = cv2.imread(str(pictures / "more" / "cat.jpg"))[..., ::-1]
    height, width = 224, 320  # 336 wide in its own shape
    expected = one_by_one(load(model).model, resize(picture, height, width), 16)
    found = np.load(out / "cat.dense.npy")
    assert found.shape == (5, 11, 5)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert "11x5" in shown


def test_what_was_drawn_is_not_taken_for_a_picture(call, model, pictures, monkeypatch):
    monkeypatch.chdir(pictures / "more")
    for _ in range(2):
        code, _, aside = call("predict", model, ".", "--dense")
        assert code == 0
        assert "1 map written to dense" in aside
    assert sorted(p.name for p in (pictures / "more" / "dense").iterdir()) == [
        "cat.dense.npy",
        "cat.dense.png",
    ]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dense", "--size", 100], "smaller than one window"),
        (["--dense", "--output-stride", 12], "32, 16, 8, 4, 2, 1"),
        (["--dense", "--out", "{file}"], "is a file; the maps need a folder"),
        (["--output-stride", 16], "--dense"),
    ],
)
def test_bad_flags_are_one_message(call, model, pictures, tmp_path, flags, words):
    (tmp_path / "file").write_text("x")
    flags = [str(flag).format(file=tmp_path / "file") for flag in flags]
    code, _, aside = call("predict", model, pictures / "cup.png", *flags)
    assert code == 2
    assert words in " ".join(aside.split())
    assert "Traceback" not in aside
