"""Recurrent patches: a real coin in crops of real photographs."""

import cv2
import numpy as np
import pytest
import skimage.data

from tests.audit.crops import crops as pieces
from tlpipe.audit.evidence import patches

SIZE, EACH, COIN = 72, 36, 18


@pytest.fixture(scope="module")
def crops():
    """uint8 (3 * EACH, SIZE, SIZE, 3) from two photographs, and labels that mean nothing."""
    return pieces(3 * EACH, SIZE), np.arange(3 * EACH) // 2 % 3


@pytest.fixture(scope="module")
def coin():
    small = cv2.resize(
        skimage.data.coins()[10:80, 20:85], (COIN, COIN), interpolation=cv2.INTER_AREA
    )
    return np.repeat(small[..., None], 3, axis=2)


def plant(pictures, labels, label, coin, places):
    """The coin in nine of ten pictures of a class, and where it is (-1: it is not)."""
    pictures, where = pictures.copy(), np.full((len(pictures), 2), -1)
    for n, i in enumerate(np.flatnonzero(labels == label)):
        if n % 10:
            top, left = where[i] = places(n)
            pictures[i, top : top + len(coin), left : left + len(coin)] = coin
    return pictures, where


@pytest.fixture(scope="module")
def fixed(crops, coin):
    pictures, where = plant(*crops, 1, coin, lambda n: (4, 50))
    return patches.mine(pictures, crops[1], 3, seed=0), pictures, where


@pytest.fixture(scope="module")
def moving(crops, coin):
    random = np.random.default_rng(3)
    pictures, where = plant(*crops, 2, coin, lambda n: random.integers(0, SIZE - COIN, 2))
    return patches.mine(pictures, crops[1], 3, seed=0), pictures, where


def test_a_mark_at_one_place_is_found_with_its_class_and_its_place(fixed):
    found, *_ = fixed
    assert found
    assert {patch.label for patch in found} == {1}
    best = found[0]
    assert best.fixed
    assert best.place == pytest.approx((13 / SIZE, 59 / SIZE), abs=0.06)
    assert best.recurrence > 0.7
    assert best.elsewhere <= 1 / 64


def test_a_mark_is_grown_to_its_whole(fixed, coin):
    best = fixed[0][0]
    assert 13 <= best.picture.shape[0] <= 28
    assert 13 <= best.picture.shape[1] <= 28
    shown = cv2.matchTemplate(
        np.pad(best.picture, [(12, 12), (12, 12), (0, 0)], "edge"), coin[3:-3, 3:-3], 5
    )
    assert shown.max() > 0.9


def test_matches_lie_on_the_mark_wherever_it_is(moving):
    found, pictures, where = moving
    assert found
    assert {patch.label for patch in found} == {2}
    best = found[0]
    assert not best.fixed
    scores, boxes = patches.match(best, pictures)
    has = where[:, 0] >= 0
    shown = scores >= best.threshold
    assert shown[has].mean() > 0.6
    assert shown[~has].mean() < 0.05
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert np.abs(centres - where - COIN / 2)[has & shown].max() < COIN / 2
    assert boxes.min() >= 0
    assert boxes.max() <= SIZE


def test_nothing_is_found_where_nothing_recurs(crops):
    assert patches.mine(*crops, 3, seed=0) == []


def test_equal_seeds_find_the_same(crops, fixed):
    found, pictures, _ = fixed
    again = patches.mine(pictures, crops[1], 3, seed=0)
    assert [p.place for p in again] == [p.place for p in found]
    assert all(np.array_equal(a.filter, b.filter) for a, b in zip(again, found, strict=True))


def test_few_pictures_are_passed_over(crops):
    pictures, labels = crops
    few = np.concatenate([np.flatnonzero(labels == 0)[:4], np.flatnonzero(labels == 1)[:4]])
    seen = []
    found = patches.mine(pictures[few], labels[few], 2, seed=0, advance=lambda *x: seen.append(x))
    assert found == []
    assert seen == [(1, 2), (2, 2)]


def test_pictures_without_texture_have_no_patches():
    flat = np.full((40, 64, 64, 1), 90, np.uint8)
    assert patches.mine(flat, np.arange(40) % 2, 2, seed=0) == []
