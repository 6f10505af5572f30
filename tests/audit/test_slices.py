"""Weak slices are found, chance is not taken for one, and every figure is the textbook's."""

import numpy as np
import pytest
from scipy.stats import fisher_exact
from sklearn.datasets import load_digits

from tlpipe.audit.evidence.slices import categories, clusters, quarters, told, weak_slices
from tlpipe.data.scan import Picture


def file(path, *, width=300, height=300, group=""):
    return Picture(path, "a", "test", width, height, 1, "0" * 64, "0" * 16, group)


@pytest.fixture
def correct():
    """400 answers, 90 % right, but only half of the first 40."""
    right = np.random.default_rng(0).random(400) < 0.9
    right[:40] = np.arange(40) % 2 == 0
    return right


def mask(*rows):
    found = np.zeros(400, bool)
    found[np.r_[rows]] = True
    return found


def test_a_weak_slice_is_found_with_its_figures(correct):
    slices = {f"sound {i}": mask(slice(40 + 40 * i, 80 + 40 * i)) for i in range(9)}
    (weak,), tested = weak_slices(correct, {"planted": mask(slice(0, 40)), **slices})
    assert tested == 10
    assert (weak.name, weak.n, weak.accuracy) == ("planted", 40, 0.5)
    assert weak.rest == pytest.approx(correct[40:].mean())
    # Wilson's formula, written out.
    z, n, p = 1.959964, 40, 0.5
    middle = (p + z**2 / 2 / n) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2)
    assert (weak.low, weak.high) == pytest.approx((middle - half, middle + half), abs=1e-5)
    right = int(correct[40:].sum())
    p = fisher_exact([[20, 20], [right, 360 - right]], alternative="less")[1]
    assert p <= weak.q <= 10 * p
    assert weak.rows.tolist() == list(range(40))


def test_chance_makes_no_weak_slice():
    stream = np.random.default_rng(2)
    alarms = 0
    for _ in range(40):
        right = stream.random(400) < 0.85
        slices = {str(i): stream.random(400) < 0.25 for i in range(20)}
        alarms += len(weak_slices(right, slices)[0]) > 0
    assert alarms <= 4


def test_small_slices_and_small_rests_are_not_tested(correct):
    assert weak_slices(correct, {"few": mask(slice(0, 29)), "most": mask(slice(0, 371))}) == ([], 0)
    assert weak_slices(correct, {"few": mask(slice(0, 29))}, least=29)[1] == 1


def test_quarters_name_their_bounds_and_leave_out_what_does_not_vary():
    found = quarters({"size": np.arange(100.0), "aspect": np.ones(100)})
    assert list(found) == ["size up to 24.8", "size from 74.2"]
    assert [m.sum() for m in found.values()] == [25, 25]


def test_categories_come_from_the_manifest():
    files = [
        file("test/cat/cam1/IMG_001.jpg", width=640),
        file("test/cat/cam2/IMG_002.JPG", group="p7"),
        file("test/dog/cam1/dsc3.png", group="p7"),
        file("test/dog/17.png"),
    ]
    found = {name: np.flatnonzero(m).tolist() for name, m in categories(files).items()}
    assert found == {
        "file type .jpg": [0, 1],
        "file type .png": [2, 3],
        "300 x 300 pixels": [1, 2, 3],
        "640 x 300 pixels": [0],
        "group 'p7'": [1, 2],
        "folder 'cam1'": [0, 2],
        "folder 'cam2'": [1],
        "file name begins with 'IMG_'": [0, 1],
        "file name begins with 'dsc'": [2],
    }


def test_a_table_gives_a_slice_a_value_and_one_a_quarter():
    cameras = np.array(["A"] * 3 + ["B"] * 2 + [""] * 2 + ["only once"])
    found = told({"camera": cameras}, least=2)
    assert {name: np.flatnonzero(m).tolist() for name, m in found.items()} == {
        "camera=A": [0, 1, 2],
        "camera=B": [3, 4],
    }
    age = np.r_[np.arange(100.0), np.nan]
    found = told({"age": age}, least=25)
    assert list(found) == [
        "age up to 24.75",
        "age above 24.75, up to 49.5",
        "age above 49.5, up to 74.25",
        "age above 74.25",
    ]
    assert [m.sum() for m in found.values()] == [25] * 4
    assert not any(m[-1] for m in found.values())
    assert told({"age": age}, least=26) == {}
    assert told({"age": np.full(40, np.nan)}) == {}
    # Equal values stay together, however many they are.
    same = told({"dose": np.r_[np.zeros(60), np.arange(1.0, 41)]}, least=1)
    assert sum(m.sum() for m in same.values()) == 100
    assert same["dose up to 0"].sum() == 60


def test_clusters_hold_look_alikes_and_every_picture_once():
    digits = load_digits(n_class=4)
    found = clusters(digits.data[:240], seed=0)
    assert len(found) == 4
    assert (np.sum(list(found.values()), axis=0) == 1).all()
    purity = sum(np.bincount(digits.target[:240][m]).max() for m in found.values()) / 240
    assert purity > 0.85
    again = clusters(digits.data[:240], seed=0)
    assert all((found[name] == again[name]).all() for name in found)
