"""Pictures from elsewhere are told from those that were trained on."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.data.odd_files import tiles
from tlpipe.audit.evidence.outliers import neighbour_distance, robust_z


@pytest.fixture(scope="module")
def digits():
    return load_digits().images.astype(np.float32) / 16


@pytest.fixture(scope="module")
def strangers():
    """Ten pieces of photographs, as small as the digits."""
    return np.stack([tile[::4, ::4].mean(axis=2) / 255 for tile in tiles(32, 10)])


def flat(pictures):
    return pictures.reshape(len(pictures), -1)


def test_photographs_among_digits_are_outliers_and_digits_are_not(digits, strangers):
    known, asked = flat(digits[:600]), flat(np.concatenate([digits[600:800], strangers]))
    distance = neighbour_distance(asked, known)
    z = robust_z(distance, distance[:200])
    assert (z[200:] > 3.5).mean() >= 0.9
    assert (z[:200] > 3.5).mean() <= 0.02


def test_a_picture_is_no_neighbour_of_its_own(digits):
    known = flat(digits[:100])
    own = neighbour_distance(known, known, neighbours=1, same=True)
    assert own.min() > 0.01
    assert neighbour_distance(known, known, neighbours=1) == pytest.approx(0, abs=1e-3)


def test_distance_is_that_of_a_plain_loop(digits):
    asked, known = flat(digits[:5]), flat(digits[5:40])
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (asked, known))
    expected = [np.sort(np.linalg.norm(b - row, axis=1))[:3].mean() for row in a]
    assert neighbour_distance(asked, known, neighbours=3) == pytest.approx(expected, rel=1e-5)


def test_more_neighbours_than_there_are(digits):
    known = flat(digits[:3])
    assert np.isfinite(neighbour_distance(known, known, neighbours=9, same=True)).all()
    with pytest.raises(ValueError, match="no neighbour"):
        neighbour_distance(known[:1], known[:1], same=True)


def test_z_of_equal_distances_is_finite():
    z = robust_z(np.array([1.0, 1.0, 2.0]), np.ones(9))
    assert np.isfinite(z).all()
    assert z[0] == 0
    assert z[2] > 3.5
