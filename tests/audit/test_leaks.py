"""Copies across the split are all found, in every disguise; look-alikes are not taken for them."""

from importlib import resources

import cv2
import numpy as np
import pytest
from skimage import data as skimage_data

from tests.data.odd_files import encoded, put, tiles
from tlpipe.audit.evidence.alike import thumbnail, unlikeness
from tlpipe.audit.evidence.leaks import find_leaks
from tlpipe.data.folder import list_folder
from tlpipe.data.manifest import Manifest
from tlpipe.data.pixels import gray
from tlpipe.data.scan import scan
from tlpipe.data.split import split
from tlpipe.errors import DataError


def cropped(image, top, left, kept=0.95):
    """A part of both sides; ``top`` and ``left`` say, 0..1, where it lies."""
    rows, columns = image.shape[:2]
    height, width = round(rows * kept), round(columns * kept)
    y, x = round(top * (rows - height)), round(left * (columns - width))
    return image[y : y + height, x : x + width]


def resized(image, factor):
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


DISGUISES = {
    "half.png": lambda x: encoded(resized(x, 0.5), "PNG"),
    "q60.jpg": lambda x: encoded(x, "JPEG", quality=60),
    "smaller_q75.jpg": lambda x: encoded(resized(x, 0.7), "JPEG", quality=75),
    "cropped.png": lambda x: encoded(cropped(x, 0.5, 0.5), "PNG"),
    "cropped_corner.jpg": lambda x: encoded(cropped(x, 1, 0), "JPEG", quality=85),
}


def manifest_of(root):
    """The split that the folders give, with every copy left where it lies."""
    return Manifest(root, tuple(split(scan(list_folder(root)).pictures, [], seed=0).pictures))


def plant(root, originals, others):
    """Originals in train, ``others`` in test, and one copy in test for each original."""
    planted = set()
    for i, image in enumerate(originals):
        name = list(DISGUISES)[i % len(DISGUISES)]
        put(root, f"train/{'ab'[i % 2]}/{i}.png", encoded(image, "PNG"))
        copy = f"test/{'ab'[i % 2]}/{i}_{name}"
        put(root, copy, DISGUISES[name](np.ascontiguousarray(image)))
        planted.add((copy, f"train/{'ab'[i % 2]}/{i}.png"))
    for i, image in enumerate(others):
        put(root, f"test/{'ab'[i % 2]}/other{i}.png", encoded(image, "PNG"))
    return planted


def pairs(manifest, leaks):
    paths = [picture.path for picture in manifest.pictures]
    return {(paths[leak.held], paths[leak.other]) for leak in leaks}


def test_twenty_planted_near_duplicates_of_photographs_are_all_found(tmp_path):
    pieces = tiles(200, 24)
    planted = plant(tmp_path, pieces[:20], pieces[20:])
    manifest = manifest_of(tmp_path)
    leaks = find_leaks(manifest)
    assert pairs(manifest, leaks) == planted
    assert not any(leak.exact or leak.conflict for leak in leaks)


def test_twenty_planted_near_duplicates_of_solar_cells_are_all_found_among_their_like(tmp_path):
    folder = resources.files("elpv_dataset") / "data" / "images"
    files = sorted(folder.iterdir(), key=lambda file: file.name)[::40]
    cells = [cv2.imread(str(file), cv2.IMREAD_COLOR_RGB) for file in files][:60]
    planted = plant(tmp_path, cells[:20], cells[20:])
    manifest = manifest_of(tmp_path)
    # What a network would give: like pictures lie near one another.
    small = [
        cv2.resize(cv2.imread(str(tmp_path / p.path), cv2.IMREAD_GRAYSCALE), (16, 16))
        for p in manifest.pictures
    ]
    features = np.stack(small).reshape(len(small), -1).astype(np.float32)
    features -= features.mean(axis=1, keepdims=True)
    leaks = find_leaks(manifest, rows=np.arange(len(small)), features=features)
    assert pairs(manifest, leaks) == planted


def test_solar_cells_that_look_alike_are_no_leaks(tmp_path):
    folder = resources.files("elpv_dataset") / "data" / "images"
    files = sorted(folder.iterdir(), key=lambda file: file.name)[1260:1360]
    for i, file in enumerate(files):
        put(tmp_path, f"{('train', 'test')[i % 2]}/{'ab'[i % 4 // 2]}/{i}.png", file.read_bytes())
    assert find_leaks(manifest_of(tmp_path)) == []


def test_equal_files_in_different_classes_are_exact_and_conflict(tmp_path):
    pieces = tiles(64, 12)
    for i, piece in enumerate(pieces):
        put(tmp_path, f"train/{'ab'[i % 2]}/{i}.png", encoded(piece, "PNG"))
    put(tmp_path, "test/b/again.png", encoded(pieces[0], "PNG"))
    put(tmp_path, "test/a/other.png", encoded(tiles(64, 20)[-1], "PNG"))
    manifest = manifest_of(tmp_path)
    (leak,) = find_leaks(manifest)
    assert pairs(manifest, [leak]) == {("test/b/again.png", "train/a/0.png")}
    assert leak.exact
    assert leak.conflict


def test_a_stereo_pair_is_two_pictures():
    left, right = (gray(np.array(x)) for x in skimage_data.stereo_motorcycle()[:2])
    assert unlikeness(thumbnail(left), thumbnail(right), 500)[-1] > 0.1


def test_a_crop_is_found_whichever_picture_is_the_crop():
    whole = gray(skimage_data.chelsea())
    part = np.ascontiguousarray(cropped(whole, 0, 1))
    ways = [(whole, part), (part, whole)]
    left = [unlikeness(thumbnail(a), thumbnail(b), 285)[-1] for a, b in ways]
    assert max(left) < 0.06


def test_a_picture_that_is_gone_is_named(tmp_path):
    pieces = tiles(64, 12)
    plant(tmp_path, pieces[:8], pieces[8:])
    manifest = manifest_of(tmp_path)
    (tmp_path / manifest.pictures[0].path).unlink()
    with pytest.raises(DataError, match=manifest.pictures[0].path):
        find_leaks(manifest)
