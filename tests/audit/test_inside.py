"""Pointing game and attribution inside: the definitions, and chance."""

import numpy as np
import pytest

from tlpipe.audit.evidence.inside import energy, pointing, ratio_interval, reach, share_interval

SIDE = 40


def masks(*boxes):
    found = np.zeros((len(boxes), SIDE, SIDE), bool)
    for mask, (top, left, bottom, right) in zip(found, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return found


def points(*places):
    maps = np.full((len(places), SIDE, SIDE), 0.1, "float32")
    for one, place in zip(maps, places, strict=True):
        one[place] = 1
    return maps


def test_a_hit_is_in_the_object_or_within_the_tolerance():
    given = masks(*[(10, 10, 20, 20)] * 5)
    maps = points((15, 15), (22, 15), (23, 15), (21, 21), (22, 22))
    assert pointing(maps, reach(given, 0)).tolist() == [True, False, False, False, False]
    # The last pixel of the object is 19; diagonally (22, 22) is 3 * 1.41 beside it.
    assert pointing(maps, reach(given, 3)).tolist() == [True, True, False, True, False]
    assert reach(given, 0)[0].sum() == 100
    assert (reach(np.ones((1, SIDE, SIDE), bool), 3)).all()


def test_of_several_hottest_points_half_must_hit_and_darkness_hits_nothing():
    given = reach(masks(*[(0, 0, 10, 10)] * 3), 0)
    maps = np.zeros((3, SIDE, SIDE), "float32")
    maps[0, [1, 30], [1, 30]] = 1
    maps[1, [1, 30, 31], [1, 30, 31]] = 1
    assert pointing(maps, given).tolist() == [True, False, False]


def test_energy_is_the_share_inside_and_negatives_count_for_nothing():
    given = masks(*[(0, 0, SIDE, 10)] * 4)
    maps = np.ones((4, SIDE, SIDE), "float32")
    maps[1, :, 10:] = 0
    maps[2, :, 10:20] = -5
    maps[3] = 0
    assert energy(maps, given) == pytest.approx([0.25, 1, 1 / 3, 0])


def test_random_maps_are_as_good_as_chance():
    stream = np.random.default_rng(0)
    given = masks(*[(4, 4, 16, 30)] * 2000)
    maps = stream.random(given.shape, "float32")
    near = reach(given, 2)
    low, high = share_interval(pointing(maps, near))
    assert low < near.mean() < high
    assert energy(maps, given).mean() == pytest.approx(given.mean(), abs=0.002)


def test_intervals_are_wilsons_and_the_bootstraps():
    # Wilson's formula for 8 of 10, written out.
    z, n, p = 1.959964, 10, 0.8
    middle, half = p + z**2 / 2 / n, z * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2)
    wanted = [(middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1)]
    assert share_interval(np.arange(10) < 8) == pytest.approx(wanted, abs=1e-4)
    values = np.random.default_rng(1).normal(0.5, 0.1, 400)
    low, high = ratio_interval(values, np.ones(400), seed=0)
    error = values.std() / 20
    assert (low, high) == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.2 * error
    )
    assert ratio_interval(values, np.ones(400), seed=0) == (low, high)
    # A ratio of sums: pictures with a large whole count for more.
    assert ratio_interval(np.array([1.0, 2]), np.array([2.0, 4]), seed=0) == (0.5, 0.5)
