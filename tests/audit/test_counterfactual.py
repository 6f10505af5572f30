"""Removing and pasting, judged with models that are a line of NumPy each."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from tlpipe.audit.evidence import counterfactual
from tlpipe.audit.evidence.confirmation import Bar, usual_lead
from tlpipe.audit.evidence.counterfactual import (
    Effect,
    effect,
    elsewhere,
    inpainted,
    margin,
    pasted,
)
from tlpipe.config.audit import Shortcuts

SIZE = 64
BOX = (4, 40, 20, 58)


@pytest.fixture(scope="module")
def crops():
    photo = load_sample_images().images[0]
    random = np.random.default_rng(1)
    tops, lefts = random.integers(0, 360, 24), random.integers(0, 570, 24)
    return np.stack([photo[t : t + SIZE, x : x + SIZE] for t, x in zip(tops, lefts, strict=True)])


@pytest.fixture(scope="module")
def marked(crops):
    """The same crops with a checked mark in BOX."""
    mark = np.zeros((16, 18, 3), np.uint8)
    mark[::2, ::2] = mark[1::2, 1::2] = 255
    out = crops.copy()
    out[:, BOX[0] : BOX[2], BOX[1] : BOX[3]] = mark
    return out, mark


def sees_checks(pictures):
    """Class 1 where neighbouring pixels differ strongly anywhere."""
    gray = pictures.mean(axis=3)
    checks = (np.abs(np.diff(gray, axis=2)) > 200).sum(axis=(1, 2)) / 30
    return np.stack([np.ones(len(checks)), checks, np.zeros(len(checks))], axis=1)


def sees_brightness(pictures):
    mean = pictures.mean(axis=(1, 2, 3)) / 50
    return np.stack([np.full(len(mean), 2.0), mean], axis=1)


def test_the_margin_is_against_the_best_other_class():
    logits = [[1.0, 4.0, 2.0], [5.0, 4.0, 3.0]]
    assert margin(np.array(logits), 1).tolist() == [2.0, -1.0]


def test_removing_what_the_model_uses_lowers_the_margin_and_a_random_place_does_not(marked):
    pictures, _ = marked
    found = counterfactual.removal(
        sees_checks, pictures, sees_checks(pictures), np.array([BOX] * len(pictures)), 1, seed=0
    )
    assert found.pictures == len(pictures)
    assert found.lowers(z=3, drop=1)
    assert found.flips == 1
    assert found.control_flips == 0
    assert found.drop == pytest.approx(found.change - found.control)


def test_removing_what_the_model_ignores_changes_nothing(marked):
    pictures, _ = marked
    found = counterfactual.removal(
        sees_brightness,
        pictures,
        sees_brightness(pictures),
        np.array([BOX] * len(pictures)),
        1,
        seed=0,
    )
    assert abs(found.drop) < 0.5
    assert not found.lowers(z=3, drop=1)
    assert found.flips <= 0.3


def test_pasting_what_the_model_uses_lifts_the_class(crops, marked):
    _, mark = marked
    corners = np.array([BOX[:2]] * len(crops))
    found = counterfactual.pasting(
        sees_checks, crops, sees_checks(crops), mark, corners, crops, 1, seed=0
    )
    assert found.raises(z=3, rise=1)
    assert not found.lowers(z=3, drop=1)
    assert found.flips == 1
    assert found.control_flips == 0


def test_a_change_equal_to_its_control_has_no_effect(crops):
    same = list(crops)
    found = effect(sees_brightness, sees_brightness(crops), same, same, 0)
    assert (found.drop, found.z, found.flips) == (0, 0, 0)


def test_of_few_pictures_as_large_a_mean_says_less():
    """The one-sided 5 % of Student's t are 2.015 with 5 degrees of freedom, and 1.645 of a z."""
    pictures = [np.full((2, 2, 3), i, np.uint8) for i in range(6)]
    difference = np.array([1.0, -1.0, 2.0, -2.0, 1.5, -1.5])
    difference += 2.015 * difference.std(ddof=1) / np.sqrt(6)

    def logits_of(shown):
        given = np.concatenate([np.zeros(6), difference])
        return np.stack([given[: len(shown)], np.zeros(len(shown))], axis=1)

    found = effect(logits_of, np.zeros((6, 2)), pictures, pictures, 0)
    assert found.drop == pytest.approx(difference.mean())
    assert found.z == pytest.approx(1.645, abs=1e-3)


def test_no_picture_gives_no_effect(crops):
    found = effect(sees_brightness, np.zeros((0, 2)), [], [], 0)
    assert found == counterfactual.NONE
    assert not found.lowers(z=0, drop=0)


def test_few_pictures_prove_nothing(marked):
    pictures, _ = marked
    found = counterfactual.removal(
        sees_checks, pictures[:4], sees_checks(pictures[:4]), np.array([BOX] * 4), 1, seed=0
    )
    assert found.drop > 1
    assert not found.lowers(z=3, drop=1)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_inpainting_changes_the_box_and_its_rim_only(crops, channels):
    picture = np.repeat(crops[0], 2, axis=2)[..., :channels]
    out = inpainted(picture, BOX)
    assert out.shape == picture.shape
    changed = (out != picture).any(axis=2)
    assert changed[6:18, 42:56].mean() > 0.5
    changed[BOX[0] - 2 : BOX[2] + 2, BOX[1] - 2 : BOX[3] + 2] = False
    assert not changed.any()


def test_a_patch_that_would_leave_the_picture_is_moved_into_it(crops, marked):
    _, mark = marked
    out = pasted(crops[0], mark, np.array([60, -5]))
    assert np.array_equal(out[SIZE - 16 :, :18], mark)
    assert not np.array_equal(crops[0], out)


def test_the_control_never_touches_the_box():
    for seed in range(200):
        top, left, bottom, right = elsewhere(BOX, SIZE, np.random.default_rng(seed))
        assert (bottom - top, right - left) == (16, 18)
        assert 0 <= top < bottom <= SIZE
        assert 0 <= left < right <= SIZE
        assert (
            bottom <= BOX[0] - 4 or top >= BOX[2] + 4 or right <= BOX[1] - 4 or left >= BOX[3] + 4
        )


def test_there_is_no_control_for_a_box_as_large_as_the_picture():
    assert elsewhere((0, 0, 60, 60), SIZE, np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    ("removal", "pasting", "confirmed"),
    [
        # drop, z, flips, those of the control
        ((2.0, 5.0, 0.3, 0.0), (-0.5, -2.0, 0.0, 0.0), True),
        ((2.0, 5.0, 0.3, 0.0), (0.5, 2.0, 0.0, 0.0), False),
        ((0.5, 2.0, 0.0, 0.0), (-2.0, -5.0, 0.1, 0.0), True),
        ((-1.0, -0.9, 0.7, 0.6), (-9.0, -6.0, 0.1, 0.0), False),
        # It can't be taken off well, but laid on it turns the decisions.
        ((-1.0, -0.9, 0.7, 0.6), (-9.0, -6.0, 0.46, 0.02), True),
        ((-1.0, -0.9, 0.7, 0.6), (-9.0, -6.0, 0.46, 0.4), False),
        ((-1.0, -0.9, 0.7, 0.6), (-9.0, -2.0, 0.46, 0.02), False),
    ],
)
def test_two_trials_confirm_what_covers_the_picture(removal, pasting, confirmed):
    effects = [
        Effect(48, drop, z, drop, 0.0, flips, of_control)
        for drop, z, flips, of_control in (removal, pasting)
    ]
    # Leads of 5 logits: a fifth of that is 1.
    bar = Bar.of(np.array([[0.0, 5.0], [7.0, 2.0]]), Shortcuts())
    assert bar.both(*effects) == confirmed


def test_what_counts_is_the_share_of_the_models_own_lead():
    """The same network with its logits divided by ten uses what it used."""
    limits, logits = Shortcuts(), np.random.default_rng(0).normal(size=(50, 4)) * 5
    second, first = np.sort(logits, axis=1)[:, -2:].T
    assert usual_lead(logits) == pytest.approx(np.median(first - second))
    for scale in (1, 10):
        bar = Bar.of(logits / scale, limits)
        lead = usual_lead(logits) / scale
        enough, less = (Effect(48, share * lead, 4, 0, 0, 0, 0) for share in (0.21, 0.19))
        assert bar.either(enough, counterfactual.NONE)
        assert not bar.either(less, counterfactual.NONE)
        assert bar.either(less, counterfactual.NONE, share=1 / 4)
    few = Effect(4, 100.0, 9, 0, 0, 0, 0)
    assert not Bar.of(logits, limits).either(few, counterfactual.NONE)
