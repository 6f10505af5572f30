"""scan: whole pictures with their facts, bad files with their cause, in the listing's order."""

import hashlib

import numpy as np
import pytest

from tests.data.odd_files import bad_files, cat, encoded, put, tiles
from tlpipe.data.folder import list_folder
from tlpipe.data.scan import perceptual_hash, scan


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for i, tile in enumerate(tiles(64, 30)):
        put(root, f"{'ab'[i % 2]}/{i}.png", encoded(tile, "PNG"))
    for i, (name, (data, _)) in enumerate(bad_files().items()):
        put(root, f"{'ab'[i % 2]}/{name}", data)
    return root


def test_the_bad_are_named_and_the_good_are_kept(folder):
    found = scan(list_folder(folder))
    assert len(found.pictures) == 30
    causes = {bad.path[2:]: bad.cause for bad in found.bad}
    assert causes.keys() == bad_files().keys()
    assert all(words in causes[name] for name, (_, words) in bad_files().items())


def test_the_result_does_not_depend_on_the_threads(folder):
    listing = list_folder(folder)
    one, many = scan(listing, workers=1), scan(listing, workers=7)
    assert one == many
    order = [file.path for file in listing.files]
    assert [p.path for p in one.pictures] == [
        p for p in order if not p.endswith(tuple(bad_files()))
    ]


def test_facts_of_a_picture(tmp_path):
    data = encoded(cat(), "JPEG")
    put(tmp_path, "a/cat.jpg", data)
    put(tmp_path, "b/cat.jpg", data)
    picture = scan(list_folder(tmp_path)).pictures[0]
    assert (picture.path, picture.label, picture.split) == ("a/cat.jpg", "a", None)
    assert (picture.width, picture.height, picture.bytes) == (451, 300, len(data))
    assert picture.sha256 == hashlib.sha256(data).hexdigest()
    assert len(picture.phash) == 16


def test_progress_counts_every_file(folder):
    seen = []
    scan(list_folder(folder), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 42) for i in range(1, 43)]


def test_a_file_that_vanishes_is_bad(folder, tmp_path):
    put(tmp_path, "a/1.png", encoded(cat(), "PNG"))
    put(tmp_path, "b/1.png", encoded(cat(), "PNG"))
    listing = list_folder(tmp_path)
    (tmp_path / "b/1.png").unlink()
    bad = scan(listing).bad
    assert [(b.path, "can't be read" in b.cause) for b in bad] == [("b/1.png", True)]


def test_the_hash_is_near_for_copies_and_far_for_others():
    def bits(a, b):
        return (int(perceptual_hash(a), 16) ^ int(perceptual_hash(b), 16)).bit_count()

    brighter = np.clip(cat().astype(int) + 15, 0, 255).astype(np.uint8)
    assert bits(cat(), brighter) <= 4
    different = tiles(128, 20)
    far = [bits(a, b) for i, a in enumerate(different) for b in different[:i]]
    assert np.median(far) > 20
