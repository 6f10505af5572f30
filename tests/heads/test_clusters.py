"""NetVLAD's start: the clusters that are there, and the hardness the paper asks for."""

import numpy as np
import pytest

from tlpipe.errors import ConfigError
from tlpipe.heads.clusters import find_clusters, local_features


def blobs(n=400, seed=0):
    """Unit vectors around four axes of eight."""
    random = np.random.default_rng(seed)
    x = np.eye(8)[np.arange(n) % 4] + random.normal(0, 0.15, (n, 8))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")


def test_the_blobs_are_found_and_the_two_nearest_differ_by_a_hundred():
    x = blobs()
    centres, alpha = find_clusters(x, 4, seed=0)
    assert centres.dtype == "float32"
    assert sorted(centres.argmax(1)) == [0, 1, 2, 3]
    assert centres.max(1).min() > 0.8
    distances = ((x[:, None] - centres) ** 2).sum(-1)
    shares = np.exp(-alpha * distances)
    shares = np.sort(shares / shares.sum(1, keepdims=True), axis=1)
    assert np.log(shares[:, -1] / shares[:, -2]).mean() == pytest.approx(np.log(100), rel=1e-3)


def test_the_same_seed_gives_the_same_bits_and_another_other_ones():
    x = np.random.default_rng(0).normal(size=(3000, 16)).astype("float32")
    (a, alpha), (b, beta) = find_clusters(x, 6, seed=1), find_clusters(x, 6, seed=1)
    assert np.array_equal(a, b)
    assert alpha == beta
    assert not np.array_equal(a, find_clusters(x, 6, seed=2)[0])


def test_too_few_different_features_are_refused_with_what_to_do():
    x = blobs(4)
    with pytest.raises(ConfigError, match=r"4 local features(?s:.)*head.clusters=2"):
        find_clusters(x, 4, seed=0)
    with pytest.raises(ConfigError, match="8 clusters"):
        find_clusters(np.repeat(x, 20, axis=0), 8, seed=0)


def test_local_features_are_unit_vectors_from_places_of_every_picture():
    maps = [np.random.default_rng(i).normal(size=(b, 3, 4, 5)) + 9 for i, b in enumerate((4, 2))]
    every = local_features(maps, per_picture=100, seed=0)
    assert (every.shape, every.dtype) == ((6 * 12, 5), "float32")
    np.testing.assert_allclose(np.linalg.norm(every, axis=1), 1, rtol=1e-5)
    some = local_features(maps, per_picture=7, seed=0)
    assert some.shape == (6 * 7, 5)
    assert np.array_equal(some, local_features(maps, per_picture=7, seed=0))
    assert {tuple(row) for row in some} <= {tuple(row) for row in every}
    assert not local_features([np.zeros((1, 2, 2, 3))], per_picture=4, seed=0).any()
