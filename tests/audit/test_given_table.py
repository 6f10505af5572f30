"""Tables as spreadsheets write them are read; what is no table is said to be none."""

import numpy as np
import pytest

from tlpipe.audit.given.columns import read_columns
from tlpipe.audit.given.table import read
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


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_are_read_with_or_without_a_mark(
    write, delimiter, encoding, newline
):
    lines = [
        ["Path", "camera", ""],
        ["a/1.jpg", " B ", ""],
        ["", "", ""],
        ['"a, b;c.jpg"', "九", ""],
    ]
    table = read(write(newline.join(delimiter.join(line) for line in lines), encoding))
    assert table.columns == ("camera",)
    assert [(row.line, row.path, row.values) for row in table.rows] == [
        (2, "a/1.jpg", {"camera": "B"}),
        (4, "a, b;c.jpg", {"camera": "九"}),
    ]


def test_numbers_are_finite_and_may_have_a_decimal_comma(write):
    table = read(write("path;x\na.jpg;1,5"))
    assert table.number("1,5") == table.number("1.5") == 1.5
    assert [table.number(text) for text in ("", "nan", "inf", "B", "1,5,0")] == [None] * 5
    assert read(write("path,x\na.jpg,1")).number("1,5") is None


@pytest.mark.parametrize(
    ("text", "encoding", "words"),
    [
        ("", "utf-8", "is empty"),
        ("file,camera\na.jpg,B", "utf-8", "no column 'path'"),
        ("path,camera,camera\na.jpg,B,C", "utf-8", "two columns 'camera'"),
        ("path,camera\na.jpg,B\nb.jpg,B,C", "utf-8", "line 3"),
        ("path,camera\né.jpg,B", "latin-1", "not a CSV in UTF-8"),
    ],
)
def test_what_is_no_table_is_refused(write, text, encoding, words):
    with pytest.raises(DataError, match=words):
        read(write(text, encoding))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv' can't be read"):
        read(tmp_path / "none.csv")


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
