"""find_duplicates: copies are found in every clothes, look-alikes are left alone."""

from importlib import resources

import cv2
import numpy as np
import pytest
from skimage import data as skimage_data

from tests.data.odd_files import COPIES, copy_of, encoded, put, tiles
from tlpipe.data import duplicates
from tlpipe.data.duplicates import candidates, connected, find_duplicates
from tlpipe.data.folder import Found, Listing, list_folder
from tlpipe.data.scan import scan


def search(root, **options):
    return find_duplicates(root, scan(list_folder(root)).pictures, **options)


@pytest.fixture(scope="module")
def cells():
    """160 solar cells that follow one another in their module: most alike, none the same."""
    folder = resources.files("elpv_dataset") / "data" / "images"
    files = sorted(folder.iterdir(), key=lambda file: file.name)[1260:1420]
    return {file.name: file.read_bytes() for file in files}


def test_solar_cells_look_alike_and_are_not_duplicates(tmp_path, cells):
    for name, data in cells.items():
        put(tmp_path, name, data)
    listing = Listing(tmp_path, ["cell"], [Found(name, "cell", None) for name in cells], [], {}, [])
    pictures = scan(listing).pictures
    hashes = np.array([int(p.phash, 16) for p in pictures], np.uint64)
    alike, _ = candidates(hashes, 12, 10**6)
    assert len(alike) > 150
    assert find_duplicates(tmp_path, pictures) == []


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_photographs_are_found(tmp_path, kind):
    names = ("coffee", "chelsea", "astronaut", "hubble_deep_field")
    for name in names:
        image = getattr(skimage_data, name)()[:512, :512].copy()
        put(tmp_path, f"a/{name}.png", encoded(image, "PNG"))
        put(tmp_path, f"b/{name}_{kind}", copy_of(image, kind))
    groups = search(tmp_path)
    assert {group.members for group in groups} == {
        (f"a/{name}.png", f"b/{name}_{kind}") for name in names
    }
    assert all(group.kind == "near" for group in groups)


@pytest.mark.parametrize("side", [32, 64, 96])
def test_small_copies_are_found(tmp_path, side):
    for i, image in enumerate(tiles(side, 40)):
        put(tmp_path, f"a/{i}.png", encoded(image, "PNG"))
        put(tmp_path, f"b/{i}.jpg", encoded(image, "JPEG", quality=75))
    groups = search(tmp_path)
    assert all(b == f"b/{a[2:-4]}.jpg" for a, b in (group.members for group in groups))
    assert len(groups) >= 36


@pytest.mark.parametrize("kind", ["q50.jpg", "half.png", "converted.webp", "brighter.png"])
def test_copies_of_solar_cells_are_found_among_their_like(tmp_path, cells, kind):
    for i, (name, data) in enumerate(list(cells.items())[::4]):
        put(tmp_path, f"a/{name}", data)
        if i % 4 == 0:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
            put(tmp_path, f"b/{name}_{kind}", copy_of(image, kind))
    groups = search(tmp_path)
    assert len(groups) == 10
    assert all(b == f"b/{a[2:]}_{kind}" for a, b in (group.members for group in groups))


def test_a_stereo_pair_is_two_pictures(tmp_path):
    left, right = (np.array(image) for image in skimage_data.stereo_motorcycle()[:2])
    put(tmp_path, "a/left.png", encoded(left, "PNG"))
    put(tmp_path, "b/right.png", encoded(right, "PNG"))
    assert search(tmp_path) == []


def test_exact_copies(tmp_path):
    data = encoded(skimage_data.chelsea(), "PNG")
    other = encoded(skimage_data.coffee(), "PNG")
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        put(tmp_path, name, data)
    put(tmp_path, "b/1.png", other)
    put(tmp_path, "b/2.png", other)
    first, second = search(tmp_path, near=False)
    assert (first.members, first.kind) == (("a/1.png", "a/2.png", "b/3.png"), "exact")
    assert (second.members, second.kind) == (("b/1.png", "b/2.png"), "exact")


def test_flat_pictures_are_the_same_only_in_the_same_gray(tmp_path):
    for gray in (0, 128, 255):
        flat = np.full((90, 90, 3), gray, np.uint8)
        put(tmp_path, f"a/{gray}.png", encoded(flat, "PNG"))
        put(tmp_path, f"b/{gray}.jpg", encoded(flat, "JPEG"))
    assert {group.members for group in search(tmp_path)} == {
        (f"a/{gray}.png", f"b/{gray}.jpg") for gray in (0, 128, 255)
    }


def test_with_room_for_few_thumbnails_the_same_is_found(tmp_path, cells, monkeypatch):
    for name, data in cells.items():
        put(tmp_path, f"a/{name}", data)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        put(tmp_path, f"b/{name}", encoded(cv2.add(image, 6), "PNG"))
    expected = search(tmp_path)
    assert expected
    monkeypatch.setattr(duplicates, "_HELD", 3)
    monkeypatch.setattr(duplicates, "_CHUNK", 16)
    assert search(tmp_path) == expected


def test_sets_that_links_hold_together():
    assert connected(6, [(4, 1), (5, 3), (1, 5), (2, 2)]) == [[0], [1, 3, 4, 5], [2]]
    assert connected(2, []) == [[0], [1]]
    assert connected(0, []) == []


def test_candidates_are_those_of_a_plain_double_loop():
    rng = np.random.default_rng(0)
    seeds = rng.integers(0, 2**64, 150, dtype=np.uint64)
    noise = np.bitwise_or.reduce(
        np.uint64(1) << rng.integers(0, 64, (9, 8, 150), dtype=np.uint64), axis=1
    )
    hashes = np.concatenate([seeds, *(seeds ^ noise)])
    expected = [
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 12
    ]
    pairs, distance = candidates(hashes, 12, 10**6)
    assert distance == 12
    assert len(expected) > 1000
    assert list(map(tuple, pairs.tolist())) == expected


def test_too_many_candidates_lower_the_distance():
    hashes = np.arange(4096, dtype=np.uint64)
    pairs, distance = candidates(hashes, 12, 100_000)
    apart = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    assert distance == apart.max() == 1
    assert len(pairs) == 4096 * 12 // 2
    pairs, distance = candidates(np.zeros(3000, np.uint64), 12, 1000)
    assert (len(pairs), distance) == (1000, -1)


def test_lowering_is_noted(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    base = cv2.resize(base, (128, 128), interpolation=cv2.INTER_CUBIC)
    for i in range(12):
        image = base.copy()
        image[i * 4 : i * 4 + 4] = 0
        put(tmp_path, f"{'ab'[i % 2]}/{i}.png", encoded(image, "PNG"))
    notes = []
    search(tmp_path, max_pairs=3, notes=notes)
    assert len(notes) == 1
    assert "look alike" in notes[0]
