"""Plots are well-formed, repeatable, and show the numbers they are given."""

import re
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from tlpipe.audit import plots


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def texts(svg):
    return [
        "".join(e.itertext())
        for e in ElementTree.fromstring(svg.encode()).iter()
        if e.tag.endswith("}text")
    ]


def history(head=4, unfreeze=3):
    steps = [("head", e, 1e-3) for e in range(1, head + 1)]
    steps += [("unfreeze", e, 1e-5) for e in range(1, unfreeze + 1)]
    return [
        {
            "step": step,
            "epoch": epoch,
            "loss": 1 / (i + 1),
            "val_loss": 1.2 / (i + 1),
            "val_accuracy": 0.9 - 0.3 / (i + 1),
            "learning_rate": rate,
        }
        for i, (step, epoch, rate) in enumerate(steps)
    ]


def test_learning_curves_name_both_steps_and_mark_the_kept_epoch():
    shown = texts(plots.learning_curves(history(), kept=("unfreeze", 2)))
    for expected in ("head only", "unfrozen", "kept epoch", "loss", "accuracy", "learning rate"):
        assert expected in shown
    assert "kept epoch" not in texts(plots.learning_curves(history()))
    one_step = texts(plots.learning_curves(history(unfreeze=0)))
    assert "head only" in one_step
    assert "unfrozen" not in one_step


def test_learning_curves_of_sparse_rows():
    rows = [{"step": "head", "epoch": 1, "loss": 1.0, "val_loss": None, "learning_rate": 0.0}]
    shown = texts(plots.learning_curves(rows))
    assert "accuracy" not in shown
    assert "loss" in shown


@pytest.mark.parametrize("k", [2, 50])
def test_confusion_matrix_shows_every_count_and_name(k):
    rng = np.random.default_rng(0)
    counts = np.diag(rng.integers(100, 999, k)) + rng.integers(0, 3, (k, k))
    names = [f"class {i}" for i in range(k)]
    shown = texts(plots.confusion_matrix(counts, names))
    for i in range(k):
        assert str(counts[i, i]) in shown
    assert all(shown.count(name) == 2 for name in names)


def test_a_row_without_pictures_is_empty():
    shown = texts(plots.confusion_matrix([[7, 0], [0, 0]], ["a", "b"]))
    assert "100%" in shown
    assert "0%" not in shown


def test_names_of_any_script_are_in_the_plot():
    names = ["猫", "ネコ", "قطة", "बिल्ली", "кошка", "$x$ & <y>", "emoji 🐈", "n" * 60, "tab\there"]
    k = len(names)
    shown = texts(plots.confusion_matrix(np.eye(k, dtype=int), names))
    for name in names[:7]:
        assert shown.count(name) == 2, name
    assert shown.count("n" * 27 + "…") == 2
    assert not [text for text in shown if "§" in text]


def test_reliability_shows_the_error():
    labels = np.arange(60) % 2
    p = np.where(labels[:, None] == [0, 1], 0.9, 0.1)
    shown = texts(plots.reliability(labels, p))
    assert "expected calibration error 0.100" in shown


def test_equal_numbers_give_equal_bytes():
    labels = np.arange(60) % 2
    p = np.where(labels[:, None] == [0, 1], 0.8, 0.2)
    for make in (
        lambda: plots.learning_curves(history(), kept=("head", 1)),
        lambda: plots.confusion_matrix([[5, 1], [2, 9]], ["a", "猫"]),
        lambda: plots.reliability(labels, p),
    ):
        first = make()
        assert first == make()
        assert not re.search(r"dc:date|20\d\d-\d\d", first)


def test_no_global_setting_is_left_changed():
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.confusion_matrix([[1, 0], [0, 1]], ["a", "b"])
    assert dict(matplotlib.rcParams) == before


def test_contact_sheet_lays_pictures_out_in_reading_order(tmp_path):
    china, flower = (image[:100, :120] for image in load_sample_images().images)
    sheet = np.asarray(
        Image.open(plots.contact_sheet(np.stack([china, flower, china]), tmp_path / "a.png", 2))
    )
    assert sheet.shape == (202, 242, 3)
    assert np.array_equal(sheet[:100, :120], china)
    assert np.array_equal(sheet[:100, 122:], flower)
    assert np.array_equal(sheet[102:, :120], china)
    assert (sheet[102:, 122:] == 255).all()


def test_contact_sheet_refuses_what_is_not_pictures(tmp_path):
    with pytest.raises(ValueError, match="uint8"):
        plots.contact_sheet(np.zeros((2, 8, 8, 3), np.float32), tmp_path / "a.png")


def test_a_failed_write_leaves_the_old_plot_and_no_rubbish(tmp_path, monkeypatch):
    china = load_sample_images().images[0][None]
    path = plots.contact_sheet(china, tmp_path / "a.png")
    old = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        plots.contact_sheet(china[:, ::-1], path)
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
