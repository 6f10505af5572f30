"""``tlpipe check`` as a person meets it: what it says, writes and refuses."""

import json

import pytest

from tests.conftest import few
from tests.data.odd_files import bad_files, put


@pytest.fixture(scope="module")
def cells(small, tmp_path_factory):
    """24 cells a class, one of them cut short, and one under both labels."""
    root = few(small, tmp_path_factory.mktemp("check") / "cells", 24)
    put(root, "functional/cut.png", bad_files()["truncated.png"][0])
    good = sorted((root / "functional").iterdir())[1]
    put(root, "defective/copy.png", good.read_bytes())
    return root


def test_it_says_where_the_page_is_and_makes_no_run(call, cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, shown, error = call("check", "--data", cells, "--json", "found.json", "--fix", "mended")
    assert (code, error) == (0, "")
    assert "The page: check/cells.html" in shown
    assert "functional/cut.png: truncated PNG" in shown
    assert "1 picture was given different labels" in " ".join(shown.split())
    assert "tlpipe finetune --data mended/labels.csv" in shown
    # Its first line names the data, however long that is.
    assert max(map(len, shown.splitlines()[1:20])) <= 80
    assert sorted(p.name for p in tmp_path.iterdir()) == ["check", "found.json", "mended"]
    document = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert (document["schema_version"], document["level"]) == (1, "red")
    page = (tmp_path / "check" / "cells.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "defective/copy.png" in page

    code, shown, _ = call("check", "--data", "mended/labels.csv", "--html", "again.html")
    assert (code, "can't be read" in shown, "different labels" in shown) == (0, False, False)
    assert (tmp_path / "again.html").exists()


def test_a_gate_and_json_for_a_machine(call, cells, tmp_path):
    page = ("--html", tmp_path / "page.html", "--set", "scan.duplicates=false")
    code, shown, error = call("check", "--data", cells, *page, "--json", "-", "--fail-on", "red")
    assert code == 1
    assert json.loads(shown)["level"] == "red"
    assert "Settle the red findings" in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ["No pictures were named", "--data"]),
        (("--data", "nowhere"), ["There is no folder 'nowhere'"]),
        (("--data", "{data}", "--target", "klass"), ["scan.target", "class"]),
        (("--data", "{data}", "--group", "(["), ["([", "no regular expression"]),
        (("--data", "{data}", "--group", "zebra"), ["matches no picture", "--group"]),
        (("--data", "{data}", "--label", "species"), ["species", "is a folder"]),
        (("--data", "{data}", "--set", "scan.chanels=6"), ["did you mean 'scan.channels'?"]),
        (("--data", "{data}", "--html", "{data}/page.html"), ["in the folder of pictures"]),
        (("--data", "{data}", "--json", "{data}"), ["is a folder; a file is needed"]),
        (("--data", "{data}", "--fix", "{data}/mended"), ["in the folder of pictures", "--fix"]),
    ],
)
def test_bad_input_is_one_message_and_nothing_is_written(
    call, cells, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    code, _, shown = call("check", *(a.format(data=cells) for a in arguments))
    assert code == 2, shown
    assert "Traceback" not in shown
    for word in words:
        assert word in shown
    assert list(tmp_path.iterdir()) == []
    assert not (cells / "page.html").exists()
