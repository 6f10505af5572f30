"""Pictures that are not RGB through the whole recipe: arrays of six channels, and gray."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import tlpipe
from tlpipe.data.decode import decode
from tlpipe.data.pixels import gray

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def six(small, tmp_path_factory) -> Path:
    """Each solar cell as uint16 (h, w, 6): itself, blurred twice, its two gradients, and edges."""
    folder = tmp_path_factory.mktemp("six")
    for file in sorted(small.glob("*/*.png")):
        cell = gray(decode(file.read_bytes()))
        channels = [
            cell,
            cv2.GaussianBlur(cell, (0, 0), 2),
            cv2.GaussianBlur(cell, (0, 0), 8),
            cv2.convertScaleAbs(cv2.Sobel(cell, cv2.CV_16S, 1, 0)),
            cv2.convertScaleAbs(cv2.Sobel(cell, cv2.CV_16S, 0, 1)),
            cv2.Canny(cell, 60, 120),
        ]
        (folder / file.parent.name).mkdir(exist_ok=True)
        np.save(folder / file.parent.name / file.stem, 16 * np.stack(channels, 2).astype("uint16"))
    np.save(folder / "functional" / "narrow", np.zeros((300, 300, 4), np.uint16))
    return folder


def settings(size: int, **scan) -> dict:
    return {
        "scan": scan,
        "backbone": {"resolution": size},
        "head": {"epochs": 1, "batch_size": 16},
        "unfreeze": {"epochs": 1, "batch_size": 16, "blocks": 1},
        "prepare": {"views": 1, "augment": "strong"},
        "evaluate": {"resamples": 100},
    }


def test_six_channels_with_pretrained_weights(six, tmp_path):
    scan = {"channels": 6, "low": 0, "high": 4080}
    run = tlpipe.finetune(six, out=tmp_path / "run", **settings(64, **scan))
    assert "narrow.npy: 4 channels, and 6 are asked for" in run.path("log.txt").read_text()
    assert json.loads(run.path("metrics.json").read_text())["test"]["n"] > 5

    classifier = tlpipe.load(run.folder)
    assert classifier.model.input_shape == (None, 64, 64, 6)
    good, bad = classifier.predict(
        [next(six.glob("defective/*.npy")), six / "functional/narrow.npy"]
    )
    assert sum(good.probabilities) == pytest.approx(1, abs=1e-5)
    assert "4 channels" in bad.error


def test_without_saying_so_arrays_of_six_channels_are_set_aside(six, tmp_path):
    with pytest.raises(tlpipe.errors.DataError) as error:
        tlpipe.finetune(six, out=tmp_path / "run", **settings(64))
    assert "--set scan.channels=6" in str(error.value) or "--set scan.channels=4" in str(
        error.value
    )


def test_lenet_from_scratch_on_small_gray_pictures(small, tmp_path):
    asked = settings(32, channels=1)
    asked["backbone"] |= {"name": "lenet5"}
    asked["unfreeze"] |= {"blocks": "all"}
    run = tlpipe.finetune(small, out=tmp_path / "run", **asked)
    classifier = tlpipe.load(run.folder)
    assert classifier.model.input_shape == (None, 32, 32, 1)
    assert classifier.metadata.weights.startswith("none")
    # In a process of its own, which knows LeNet's layers only by the file it loads.
    picture = next(small.glob("*/*.png"))
    command = [sys.executable, "-m", "tlpipe", "predict", run.folder, picture, "--format", "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    probabilities = json.loads(done.stdout)["probabilities"].values()
    here = classifier.predict(picture)[0].probabilities
    assert tuple(probabilities) == here
