import numpy as np
import pytest

from tlpipe.errors import TrainingError
from tlpipe.training.store import Store

TRAIN, PLAIN = np.array([0, 2, 5]), np.array([1, 3])
ROWS = np.array([5, 0])


def open_store(folder, dtype="float32"):
    return Store(
        folder, shape=(2, 3), dtype=dtype, views=2, train=TRAIN, plain=PLAIN, facts={"of": "test"}
    )


def values(n=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2, 3)).astype("float32")


def test_views_and_plain_pictures_have_entries_of_their_own(tmp_path):
    store = open_store(tmp_path)
    for number, (rows, view) in enumerate([(ROWS, 0), (ROWS, 1), (np.array([3, 1]), None)]):
        assert not store.has(rows, view).any()
        store.write(rows, view, values(seed=number))
    for number, (rows, view) in enumerate([(ROWS, 0), (ROWS, 1), (np.array([3, 1]), None)]):
        np.testing.assert_array_equal(store.read(rows, view), values(seed=number))
    assert not store.has(np.array([2]), 0).any()


def test_a_later_process_finds_what_was_written(tmp_path):
    open_store(tmp_path).write(ROWS, 1, values())
    again = open_store(tmp_path)
    assert again.has(ROWS, 1).all()
    np.testing.assert_array_equal(again.read(ROWS, 1), values())


def test_a_torn_entry_is_noticed_and_only_that_one(tmp_path):
    store = open_store(tmp_path)
    store.write(ROWS, 0, values())
    raw = bytearray((tmp_path / "values.bin").read_bytes())
    raw[0] ^= 1
    (tmp_path / "values.bin").write_bytes(raw)
    assert open_store(tmp_path).has(ROWS, 0).tolist() == [True, False]


def test_a_value_without_its_checksum_counts_as_missing(tmp_path):
    store = open_store(tmp_path)
    store.write(ROWS, 0, values())
    sums = np.fromfile(tmp_path / "checksums.bin", "uint32")
    sums[:] = 0
    sums.tofile(tmp_path / "checksums.bin")
    assert not open_store(tmp_path).has(ROWS, 0).any()


def test_half_precision_is_off_by_less_than_its_rounding(tmp_path):
    store, given = open_store(tmp_path, "float16"), values()
    store.write(ROWS, 0, given)
    assert np.abs(store.read(ROWS, 0) - given).max() <= np.abs(given).max() * 2**-11


def test_values_beyond_half_precision_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(TrainingError, match=r"7e\+04.*float16") as caught:
        open_store(tmp_path, "float16").write(ROWS, 0, np.full((2, 2, 3), 7e4, "float32"))
    assert "float32" in str(caught.value)
