from dataclasses import replace

import numpy as np
import pytest

from tests.data.photos import lay_out, photo
from tlpipe.data.augment import load
from tlpipe.data.loader import batches
from tlpipe.data.prepared import Prepared
from tlpipe.data.sample import Sampler

SIZE = 64


@pytest.fixture
def manifest(tmp_path):
    images = {
        "cat.jpg": photo("chelsea"),
        "coffee.png": photo("coffee"),
        "cup.png": photo("rocket"),
    }
    images["small.png"] = images["cat.jpg"][:50, :70]
    return lay_out(tmp_path / "data", images)


def sampler(manifest, prepared=None, augment="light"):
    return Sampler(manifest, SIZE, "crop", load(augment, SIZE), 3, prepared)


def everything(sampler, workers=1):
    rows = np.arange(len(sampler.manifest.pictures))
    with batches(sampler, rows, view=1, batch_size=2, workers=workers) as loading:
        return np.concatenate([pictures for pictures, _ in loading])


@pytest.mark.parametrize("augment", ["none", "light", "strong"])
def test_stored_or_not_by_many_threads_or_one_the_bytes_are_the_same(manifest, tmp_path, augment):
    unstored = everything(sampler(manifest, Prepared(manifest, None, 80), augment))
    store = Prepared(manifest, tmp_path / "store", 80)
    first = everything(sampler(manifest, store, augment), workers=4)
    second = everything(sampler(manifest, store, augment))
    later = everything(sampler(manifest, Prepared(manifest, tmp_path / "store", 80), augment))
    for other in (first, second, later):
        np.testing.assert_array_equal(other, unstored)


def test_a_stored_picture_is_not_decoded_again_and_a_torn_one_is(manifest, tmp_path):
    decoded = []

    def decode(index):
        def at(scale):
            decoded.append(index)
            return sampler(manifest)._decode(index, scale)

        return at

    store = Prepared(manifest, tmp_path / "store", 80)
    whole = [np.array(store.picture(i, decode(i))) for i in range(4)]
    store.picture(0, decode(0))
    assert decoded == [0, 1, 2, 3]
    values = np.memmap(tmp_path / "store" / "values.bin", "uint8", "r+")
    values[whole[0].size + 5] ^= 255
    values.flush()
    again = Prepared(manifest, tmp_path / "store", 80)
    for i in range(4):
        np.testing.assert_array_equal(again.picture(i, decode(i)), whole[i])
    assert decoded == [0, 1, 2, 3, 1]


def test_the_short_side_is_reduced_and_never_enlarged(manifest, tmp_path):
    store = Prepared(manifest, tmp_path / "store", 80)
    shapes = [
        store.picture(i, lambda s, i=i: sampler(manifest)._decode(i, s)).shape for i in range(4)
    ]
    assert [min(shape[:2]) for shape in shapes] == [80, 80, 80, 50]
    assert (tmp_path / "store" / "values.bin").stat().st_size == sum(map(np.prod, shapes))
    assert Prepared.bytes_needed(manifest, 80) == sum(map(np.prod, shapes))


def test_it_looks_like_the_file_and_evaluation_does_not_use_it(manifest, tmp_path):
    direct, stored = sampler(manifest), sampler(manifest, Prepared(manifest, tmp_path / "s", 80))
    for i in range(3):
        gap = np.abs(direct.augmented(i, 0).astype(int) - stored.augmented(i, 0)).mean()
        assert gap < 8
        np.testing.assert_array_equal(direct.plain(i), stored.plain(i))


def test_pictures_outside_the_training_part_take_no_room(manifest):
    rows = tuple(replace(picture, split="test") for picture in manifest.pictures)
    assert Prepared.bytes_needed(replace(manifest, pictures=rows), 80) == 0
