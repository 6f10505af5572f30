"""Manifest: written and read without loss, one hash for one split, changed pictures refused."""

import csv
import hashlib
from dataclasses import replace

import numpy as np
import pytest

from tests.data.odd_files import encoded, put, tiles
from tlpipe.data.folder import list_folder
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import scan
from tlpipe.data.split import split
from tlpipe.errors import DataError


@pytest.fixture
def manifest(tmp_path):
    root = tmp_path / "data"
    names = ('c10/a "quoted", name.png', "c2/猫.png", "c2/line\nbreak.png", "c10/x.png")
    for i, image in enumerate(tiles(48, 24)):
        put(root, names[i] if i < 4 else f"c{10 if i % 2 else 2}/{i}.png", encoded(image, "PNG"))
    pictures = split(scan(list_folder(root)).pictures, [], seed=0).pictures
    return Manifest(root, tuple(pictures))


def test_round_trip(manifest, tmp_path):
    path = tmp_path / "manifest.csv"
    manifest.write(path)
    again = Manifest.read(path, root=manifest.root)
    assert again == manifest
    assert again.digest == manifest.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert Manifest.read(path).root == tmp_path
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["manifest.csv"]


def test_it_is_a_plain_csv(manifest, tmp_path):
    manifest.write(tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == HEADER.strip().split(",")
    assert len(rows) == 24
    assert {row["split"] for row in rows} == {"train", "val", "test"}


def test_labels_and_indices(manifest):
    assert manifest.class_names == ["c2", "c10"]
    assert manifest.labels.dtype == np.int32
    assert [manifest.class_names[i] for i in manifest.labels] == [
        p.label for p in manifest.pictures
    ]
    rows = np.concatenate([manifest.indices(part) for part in ("train", "val", "test")])
    assert rows.dtype == np.int64
    assert sorted(rows) == list(range(24))
    assert all(manifest.pictures[i].split == "val" for i in manifest.indices("val"))
    with pytest.raises(ValueError, match="valid"):
        manifest.indices("valid")


def test_the_hash_follows_the_split_and_not_the_folder(manifest, tmp_path):
    assert replace(manifest, root=tmp_path).digest == manifest.digest
    moved = list(manifest.pictures)
    moved[0] = replace(moved[0], split="val" if moved[0].split != "val" else "test")
    assert replace(manifest, pictures=tuple(moved)).digest != manifest.digest


def test_a_picture_still_undecided_survives(manifest, tmp_path):
    open_ = replace(manifest, pictures=(replace(manifest.pictures[0], split=None),))
    open_.write(tmp_path / "m.csv")
    assert Manifest.read(tmp_path / "m.csv", root=manifest.root) == open_


def test_verify_accepts_what_is_unchanged(manifest):
    seen = []
    manifest.verify(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (24, 24)


def test_verify_names_five_missing_and_changed_files(manifest):
    paths = [manifest.root / picture.path for picture in manifest.pictures[:7]]
    data = paths[0].read_bytes()
    paths[0].write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    paths[1].write_bytes(paths[1].read_bytes() + b"x")
    for path in paths[2:]:
        path.unlink()
    with pytest.raises(DataError, match="7 of 24 pictures") as raised:
        manifest.verify()
    cause = raised.value.cause
    assert f"{manifest.pictures[0].path} changed (other content)" in cause
    assert f"{manifest.pictures[1].path} changed (" in cause
    assert cause.count("is missing") == 3
    assert cause.endswith("and 2 more")


HEADER = "path,label,split,width,height,bytes,sha256,phash,group\n"
ROW = "a/1.jpg,a,train,1,1,1,00,00,\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line"),
        ("# comment\n" + HEADER, "first line"),
        (HEADER + "a/1.jpg,a\n", "line 2"),
        (HEADER + ROW + "a/2.jpg,a,train,wide,1,1,00,00,\n", "line 3"),
        (HEADER + "a/1.jpg,a,training,1,1,1,00,00,\n", "'training'"),
        (HEADER + ROW + ROW, "there twice"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, text, words):
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        Manifest.read(path)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"can't be read"):
        Manifest.read(tmp_path / "none.csv")
