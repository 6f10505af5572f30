"""What a user's table says of the pictures reaches their rows of the manifest."""

import numpy as np
import pytest

from tlpipe.audit.given.columns import read_columns
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import Picture
from tlpipe.errors import DataError

PATHS = ("test/a/1.jpg", "test/a/é 2.jpg", "train/b/3.jpg", "test/b/4.jpg")


@pytest.fixture
def manifest(tmp_path):
    rows = [
        Picture(p, p.split("/")[1], p.split("/")[0], 9, 9, 1, "0" * 64, "0" * 16) for p in PATHS
    ]
    return Manifest(tmp_path, tuple(rows))


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        (tmp_path / "table.csv").write_bytes(text.encode(encoding))
        return tmp_path / "table.csv"

    return write


def test_columns_are_texts_or_numbers_for_every_row_of_the_manifest(write, manifest):
    lines = [
        "path,camera,year,dose",
        # As Windows and as a Mac write them.
        r".\test\a\1.jpg,B,2019,0.5",
        "test/a/e\u0301 2.jpg,,2020,",
        "test/b/4.jpg,A,2019,2",
        "elsewhere/9.jpg,A,2019,3",
    ]
    found = read_columns(write("\n".join(lines)), manifest)
    assert found.known.tolist() == [True, True, False, True]
    assert found.unknown == 1
    assert found.values["camera"].tolist() == ["B", "", "", "A"]
    # So few different numbers are names.
    assert found.values["year"].tolist() == ["2019", "2020", "", "2019"]


def test_many_different_numbers_are_numbers(write, tmp_path):
    paths = [f"a/{i}.jpg" for i in range(12)]
    rows = [Picture(p, "a", "test", 9, 9, 1, "0" * 64, "0" * 16) for p in paths]
    text = "path;dose;kind\n" + "\n".join(
        f"{p};{i},5;{i or 'none'}" for i, p in enumerate(paths[:-1])
    )
    found = read_columns(write(text), Manifest(tmp_path, tuple(rows)))
    assert np.array_equal(found.values["dose"], [*np.arange(11) + 0.5, np.nan], equal_nan=True)
    assert found.values["kind"].tolist() == ["none", *map(str, range(1, 11)), ""]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path\ntest/a/1.jpg", "no column but 'path'"),
        ("path,camera\na/1.jpg,B", "for example 'test/a/1.jpg'"),
        ("path,camera", "it has no rows"),
        ("path,camera\ntest/a/1.jpg,B\ntest/b/4.jpg,B\ntest/a/1.jpg,C", "lines 2 and 4"),
    ],
)
def test_a_table_of_other_pictures_or_two_lines_about_one_is_refused(write, manifest, text, words):
    with pytest.raises(DataError, match=words):
        read_columns(write(text), manifest)
