"""Tables as spreadsheets write them are read; what is no table is said to be none."""

import pytest

from tlpipe.data.table import read
from tlpipe.errors import DataError


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
