"""Properties say what they say they do, and what they give away is found."""

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.data.odd_files import encoded, tiles
from tlpipe.audit.evidence.properties import measure, separations
from tlpipe.data.scan import Picture


def row(image, data=b""):
    height, width = image.shape[:2]
    return Picture("a/1.png", "a", "test", width, height, len(data), "0" * 64, "0" * 16)


@pytest.fixture(scope="module")
def pieces():
    return np.stack(tiles(64, 60))


def measured(pictures):
    return measure(pictures, [row(x) for x in pictures])


@pytest.mark.parametrize(
    ("name", "change", "up"),
    [
        ("brightness", lambda x: x // 2, False),
        ("contrast", lambda x: 128 + (x.astype(int) - 128) // 3, False),
        ("saturation", lambda x: np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2), False),
        ("sharpness", lambda x: cv2.GaussianBlur(x, (0, 0), 2), False),
    ],
)
def test_each_property_follows_its_change(pieces, name, change, up):
    changed = np.stack([change(x).astype(np.uint8) for x in pieces])
    before, after = measured(pieces)[name], measured(changed)[name]
    assert ((after > before) == up).mean() > 0.95


def test_size_aspect_and_compression_come_from_the_file(pieces):
    wide = np.zeros((100, 200, 3), np.uint8)
    found = measure(
        pieces[:2],
        [row(wide, encoded(pieces[0], "JPEG", quality=q).ljust(1)) for q in (20, 95)],
    )
    assert found["size"].tolist() == [0.02, 0.02]
    assert found["aspect"].tolist() == [2, 2]
    low, high = found["bytes a pixel"]
    assert low < high


def test_a_property_that_gives_a_class_away_is_found_with_its_direction(pieces):
    dark = np.zeros(60, bool)
    dark[::3] = True
    pictures = pieces.copy()
    pictures[dark] //= 8
    values = measured(pictures)
    best = separations(values, {"night": dark})[0]
    assert (best.property, best.target, best.higher) in {
        ("brightness", "night", False),
        ("contrast", "night", False),
    }
    expected = roc_auc_score(dark, -values[best.property])
    assert best.auc == pytest.approx(expected)
    assert best.auc > 0.9
    assert best.q < 1e-4


def test_a_random_class_is_given_away_by_nothing(pieces):
    chance = np.random.default_rng(0).permutation(60) < 30
    assert min(s.q for s in separations(measured(pieces), {"chance": chance})) > 0.05


def test_few_pictures_and_constant_properties_are_left_out(pieces):
    values = measured(pieces)
    few = np.arange(60) < 9
    assert separations(values, {"few": few}) == []
    half = np.arange(60) < 30
    assert {s.property for s in separations(values, {"half": half})}.isdisjoint({"size", "aspect"})


def test_pictures_of_other_channels_have_no_saturation(pieces):
    assert "saturation" not in measured(np.ascontiguousarray(pieces[..., :1]))
    assert "saturation" not in measured(np.concatenate([pieces, pieces], axis=3))
