"""The model card tells what its facts say, and no more."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tlpipe.artifact.model_file import own_layers
from tlpipe.audit.card import model_card
from tlpipe.data.decode import decode
from tlpipe.data.resize import fit
from tlpipe.metrics.bootstrap import with_intervals


def scored(n=100):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 5 // 4
    p = np.clip(0.25 + 0.5 * labels + rng.normal(0, 0.2, n), 0.01, 0.99)
    return with_intervals(labels, np.stack([1 - p, p], axis=1), ["good", "bad|ly_cut"], seed=0)


@pytest.fixture
def facts():
    return {
        "name": "solar-cells",
        "class_names": ["good", "bad|ly_cut"],
        "date": "2025-03-01",
        "run": "runs/solar cells",
        "input": {"size": 224, "resize": "crop"},
        "data": {
            "root": "photos/",
            "counts": {"train": {"good": 70, "bad|ly_cut": 20}, "test": {"good": 80}},
            "set_aside": [{"path": f"good/{i}.png", "cause": "empty file"} for i in range(25)],
            "duplicates": {"exact": 3, "near": 2, "conflicting": 1},
            "grouped": False,
            "notes": ["The folder had no test part."],
        },
        "recipe": {
            "backbone": "efficientnet_lite0",
            "weights": "ImageNet",
            "augmentation": "medium",
            "steps": [
                {
                    "step": "unfreeze",
                    "trained": ["block6", "block7"],
                    "frozen": ["stem", "block1"],
                    "epochs": 8,
                    "best_epoch": 5,
                    "learning_rate": 1e-5,
                    "batch_size": 32,
                }
            ],
        },
        "metrics": {"test": scored(), "val": scored(60)},
        "unfreezing": {
            "verdict": "tie",
            "score": "accuracy",
            "kept": "head",
            "difference": {"value": 0.012, "low": -0.004, "high": 0.03},
        },
        "plots": {"Learning curves": "plots/learning curves.svg"},
        "limits": ["Not for medical use."],
        "licences": {"the pictures": "CC BY-NC-SA 4.0"},
        "provenance": {"seed": 7, "versions": {"keras": "3.15.1", "numpy": "2.4"}},
    }


def test_every_fact_is_told(facts):
    card = model_card(facts)
    test = facts["metrics"]["test"]
    low, high = test["intervals"]["accuracy"]
    for expected in (
        f"{test['accuracy']:.3f} ({low:.3f} to {high:.3f})",
        "| train | 70 | 20 | 90 |",
        "| test | 80 | 0 | 80 |",
        "tlpipe predict 'runs/solar cells' picture.jpg",
        "| unfreeze | block6, block7 | stem, block1 | 8 | 5 | 1e-05 | 32 |",
        "always answering good would give 0.800",
        "3 exact, 2 near; 1 with conflicting labels",
        "Set aside, 25 in all",
        "- and 5 more",
        "changed by 0.012 (-0.004 to 0.030)",
        "Kept: the head-only model, the simpler one.",
        "![Learning curves](<plots/learning curves.svg>)",
        "Not for medical use.",
        "CC BY-NC-SA 4.0",
        "| versions | keras 3.15.1, numpy 2.4 |",
        "The folder had no test part.",
    ):
        assert expected in card, expected


def test_the_limits_come_from_the_figures(facts):
    card = model_card(facts)
    assert "fewer than 30 pictures, so uncertain: bad\\|ly\\_cut (20)." in card
    assert "`--group` keeps them together" in card
    assert "duplicates with different labels (1)" in card
    facts["data"] = {"grouped": True, "duplicates": {"exact": 0, "near": 0, "conflicting": 0}}
    facts["metrics"] = {"test": scored(400)}
    card = model_card(facts)
    assert "fewer than" not in card
    assert "--group" not in card
    assert "contradict" not in card


def test_tables_keep_their_columns_whatever_the_names(facts):
    card = model_card(facts)
    for table in re.findall(r"(?:^\|.*\n)+", card, flags=re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_a_name_can_not_become_markup():
    card = model_card({"name": "<script>x</script>", "class_names": ["a`b", "c\nd"]})
    assert "<script>" not in re.sub(r"\\<", "", card)
    assert "| 1 | c d |" in card


def test_the_verdict_is_told_in_words(facts):
    facts["unfreezing"].update(verdict="better", kept="unfrozen")
    card = model_card(facts)
    assert "Yes. On validation" in card
    assert "Kept: the unfrozen model." in card
    facts["unfreezing"].update(verdict="worse", kept="head")
    assert "No, it did harm. On validation" in model_card(facts)


def test_undefined_scores_are_called_undefined(facts):
    labels, p = [0, 0, 0], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]
    facts["metrics"] = {"test": with_intervals(labels, p, facts["class_names"], seed=0)}
    card = model_card(facts)
    assert "| ROC-AUC | undefined |" in card
    assert "Not tested at all, for want of test pictures: bad\\|ly\\_cut." in card
    assert "None" not in card.replace("[None]", "")
    assert not re.search(r"\bnan\b", card)


def test_the_least_facts_make_a_card_without_gaps():
    card = model_card({"name": "cats", "class_names": ["cat", "dog"]})
    headings = re.findall(r"^## (.*)$", card, flags=re.M)
    assert headings == ["How to use it", "Classes", "Limits"]
    assert "There is no test score" in card
    assert "None" not in card.replace("[None]", "")
    assert "\n\n\n" not in card


def test_the_lines_of_python_in_the_card_run(facts, tmp_path, capsys, monkeypatch):
    import keras
    from PIL import Image
    from sklearn.datasets import load_sample_images

    image = keras.Input((32, 32, 3), dtype="uint8")
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, keras.layers.Softmax()(keras.layers.Dense(2)(pooled)))
    model.save(tmp_path / "model.keras")
    Image.fromarray(load_sample_images().images[0]).save(tmp_path / "picture.jpg")

    for resize in ("crop", "squash", "pad"):
        facts["input"]["resize"] = resize
        (code,) = re.findall(r"```python\n(.*?)```", model_card(facts), flags=re.S)
        monkeypatch.chdir(tmp_path)
        names = {}
        exec(compile(code, os.fspath(tmp_path), "exec"), names)
        if resize == "crop":
            ours = fit(decode((tmp_path / "picture.jpg").read_bytes()), 32, resize)
            np.testing.assert_array_equal(names["picture"], ours)
        numbers = re.findall(r"\d\.\d+(?:e-?\d+)?", capsys.readouterr().out.splitlines()[-1])
        assert sum(map(float, numbers)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("own", [[], ["GeMPooling"], ["TakeChannels", "scaled_tanh"]])
def test_the_card_says_when_the_model_needs_tlpipe(facts, own):
    facts["own_layers"] = own
    card = model_card(facts)
    assert ("import cv2, keras\nimport tlpipe.artifact.model_file\n" in card) == bool(own)
    assert ("not tlpipe" in card) == (not own)
    assert all(name.replace("_", "\\_") in card for name in own)


def test_the_card_of_a_model_with_a_range_of_its_own_tells_it_and_shows_tlpipe(facts):
    facts["input"]["range"] = (0.0, 4095.0)
    card = model_card(facts)
    assert "samples from 0 to 4095" in card
    assert "cv2" not in card


@pytest.mark.parametrize(("channels", "kind"), [(1, "gray pictures"), (6, "6-channel pictures")])
def test_the_card_of_a_model_of_other_channels_shows_no_rgb(facts, channels, kind):
    facts["input"]["channels"] = channels
    card = model_card(facts)
    assert f"`model.keras` takes {kind}, uint8" in card
    assert "RGB" not in card
    assert "cv2" not in card
    assert 'tlpipe.load(".").predict("new_pictures/")' in card


WITHOUT_AND_WITH = """
import sys
without, code = sys.argv[1:]
try:
    exec(without, {})
except Exception as error:
    print(error, "====")
else:
    sys.exit("it needs no import")
exec(code, {})
"""


def test_with_the_import_in_the_card_a_new_process_loads_tlpipes_layers(facts, tmp_path):
    import keras
    from PIL import Image
    from sklearn.datasets import load_sample_images

    from tlpipe.heads.pooling import pooled

    image = keras.Input((32, 32, 3), dtype="uint8")
    x = pooled(keras.layers.Rescaling(1 / 255)(image), "gem")
    keras.Model(image, keras.layers.Softmax()(keras.layers.Dense(2)(x))).save(
        tmp_path / "model.keras"
    )
    Image.fromarray(load_sample_images().images[0]).save(tmp_path / "picture.jpg")
    facts["own_layers"] = own_layers(tmp_path / "model.keras")
    assert facts["own_layers"] == ["GeMPooling"]
    (code,) = re.findall(r"```python\n(.*?)```", model_card(facts), flags=re.S)
    without = code.replace("import tlpipe.artifact.model_file\n", "")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # One process, first without: what is imported stays.
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_AND_WITH, without, code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    refused, with_it = done.stdout.split("====")
    assert "GeMPooling" in refused
    numbers = re.findall(r"\d\.\d+(?:e-?\d+)?", with_it.splitlines()[-1])
    assert sum(map(float, numbers)) == pytest.approx(1, abs=1e-4)
