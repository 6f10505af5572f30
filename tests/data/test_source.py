"""A folder and a table name the same pictures alike; what is wrong with a table is one message."""

import csv
import shutil
from pathlib import Path

import pytest

from tests.conftest import few
from tlpipe.cli.demo import Form, demo
from tlpipe.config.load import FINETUNE, override, validate
from tlpipe.config.runs import check_folder
from tlpipe.config.source import is_table, is_tfds, name_of, whole
from tlpipe.data.folder import BadFile
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import scan
from tlpipe.data.source import has_named_labels, list_data, open_root, stamps
from tlpipe.data.split import check_listing, split
from tlpipe.errors import ConfigError, DataError, RunError


@pytest.fixture(scope="module")
def cells(small, tmp_path_factory) -> Path:
    """Six real pictures of each class; treat it as read-only."""
    return few(small, tmp_path_factory.mktemp("source") / "cells", 6)


@pytest.fixture
def write(cells, tmp_path):
    """Writes a table beside a link to the pictures."""
    (tmp_path / "cells").symlink_to(cells)

    def write(text, name="labels.csv", encoding="utf-8"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path / name

    return write


def rows(cells, **more):
    """A line a picture: its path and class, and what ``more`` says of each number."""
    names = sorted(path.relative_to(cells.parent).as_posix() for path in cells.glob("*/*.png"))
    found = [["path", "label", *more]]
    for number, name in enumerate(names):
        found.append([name, name.split("/")[1], *(say(number) for say in more.values())])
    return found


def text(lines, delimiter=","):
    return "\n".join(delimiter.join(map(str, line)) for line in lines)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_names_the_pictures_that_a_folder_holds(cells, write, delimiter, encoding):
    table = write(text(rows(cells), delimiter), encoding=encoding)
    listed, folder = list_data(table), list_data(cells)
    assert listed.class_names == folder.class_names == ["defective", "functional"]
    assert [f"cells/{file.path}" for file in folder.files] == [f.path for f in listed.files]
    assert [file.label for file in folder.files] == [file.label for file in listed.files]
    ours, theirs = scan(listed).pictures, scan(folder).pictures
    assert [p.sha256 for p in ours] == [p.sha256 for p in theirs]
    assert open_root(table) == table.parent
    assert open_root(cells) == cells


def test_splits_groups_and_other_columns(cells, write):
    part = ("train", "Validation", "dev", "test", "", "valid")
    more = {"Split": lambda i: part[i % 6], "x": lambda i: i, "group": lambda i: f"m{i // 2}"}
    files = list_data(write(text(rows(cells, **more)))).files
    expected = ["train", "val", "val", "test", None, "val"] * 2
    assert [file.split for file in files] == expected
    assert [file.group for file in files[:4]] == ["m0", "m0", "m1", "m1"]
    pictures = scan(list_data(write(text(rows(cells, **more))))).pictures
    assert [picture.group for picture in pictures] == [file.group for file in files]


def test_another_column_may_be_the_label(cells, write):
    lines = rows(cells, Kind=lambda i: "ab"[i % 2], dose=lambda i: f"{i % 3},5", tags=lambda i: "")
    table = write(text(lines, ";"))
    assert list_data(table, label="kind").class_names == ["a", "b"]
    # What is no class may be empty, and a number may have a decimal comma.
    assert {f.label for f in list_data(table, label="tags", least=0).files} == {""}
    assert list_data(table, label="dose", least=0).class_names == ["0.5", "1.5", "2.5"]
    with pytest.raises(ConfigError, match="in a folder the sub-folder is the label"):
        list_data(cells, label="kind")


def test_paths_may_be_whole_above_or_of_another_system(cells, tmp_path):
    names = [path for path in sorted(cells.glob("*/*.png"))][4:8]
    inside = tmp_path / "tables"
    inside.mkdir()
    (tmp_path / "é").mkdir()
    (tmp_path / "é" / "1.png").write_bytes(names[2].read_bytes())
    lines = [
        ["path", "label"],
        [names[0], "a"],
        ["../é/1.png", "b"],
        [r"..\e" + "\u0301" + r"\1.png", "b"],
        [inside / "near.png", "a"],
    ]
    (inside / "near.png").write_bytes(names[3].read_bytes())
    (inside / "t.csv").write_text(text(lines), encoding="utf-8")
    listing = list_data(inside / "t.csv")
    assert [f.path for f in listing.files] == ["../é/1.png", names[0].as_posix(), "near.png"]
    manifest = Manifest(listing.root, tuple(scan(listing).pictures))
    assert len(manifest.pictures) == 3
    manifest.verify()


def test_rows_that_lead_nowhere_are_set_aside(cells, write):
    lines = [*rows(cells), ["gone.png", "defective"], ["cells", "defective"], ["a.heic", "x"]]
    listing = list_data(write(text(lines)))
    assert listing.set_aside == [
        BadFile("gone.png", "there is no such file"),
        BadFile("cells", "it is a folder, not a picture"),
        BadFile("a.heic", "there is no such file"),
    ]
    assert len(listing.files) == 12


def test_a_path_twice_counts_once_unless_it_is_told_two_things(cells, write):
    lines = rows(cells)
    again = [f"./{lines[3][0]}", lines[3][1]]
    assert len(list_data(write(text([*lines, lines[3], again]))).files) == 12
    again[1] = "functional"
    with pytest.raises(DataError) as caught:
        list_data(write(text([*lines, again])))
    for words in ("twice, with another label", "lines 4 and 14", "'defective' and 'functional'"):
        assert words in str(caught.value)
    apart = rows(cells, split=lambda i: "train")
    with pytest.raises(DataError, match="another split"):
        list_data(write(text([*apart, [*apart[2][:2], "test"]])))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["is empty", "columns' names"]),
        ("path,label", ["has no rows"]),
        ("file,label\na,b", ["no column 'path'", "its columns are file, label"]),
        ("path,lable\na,b", ["no column 'label'", "did you mean 'lable'?", "--label"]),
        ("path,label\n{first},a\n{second},", ["has no label", "line 3", "{second}", "delete"]),
        ("path,label\n,a", ["has no path", "line 2"]),
        (
            "path,label,split\n{first},a,tst",
            ["split 'tst' of '{first}'", "line 2", "did you mean 'test'?"],
        ),
        ("path,label\n{first},a\n{second}", ["has 1 cells", "2 columns", "line 3", "mend"]),
        ("path,label\nno/1.png,a\nno/2.png,b", ["None of the 2 pictures", "no/1.png", "there is"]),
        ("path,label\n{first},a\n{second},a", ["Only one class", "'a'", "--label"]),
        ("path,label,label\n{first},a,a", ["two columns 'label'"]),
        ('path,label\n"{first},a', ["not a CSV in UTF-8", "next:"]),
    ],
)
def test_what_is_wrong_with_a_table_is_told(cells, write, content, words):
    first, second = (line[0] for line in rows(cells)[1:3])
    table = write(content.format(first=first, second=second))
    with pytest.raises(DataError) as caught:
        list_data(table)
    for word in ["labels.csv", *words]:
        assert word.format(first=first, second=second) in str(caught.value)


def test_what_is_no_table_is_told(write, tmp_path):
    with pytest.raises(DataError, match=r"(?s)no file .*none\.csv.*--data"):
        list_data(tmp_path / "none.csv")
    with pytest.raises(DataError, match="not a CSV in UTF-8"):
        list_data(write("path,label\né.png,a", encoding="latin-1"))
    with pytest.raises(DataError, match=r"(?s)is a file.*ends in \.csv"):
        list_data(write("path,label", name="labels.txt"))


def test_a_run_s_manifest_is_read_with_its_splits_groups_and_pictures(cells, tmp_path):
    pictures = scan(list_data(cells)).pictures
    pictures = split(pictures, [], seed=0, fractions=(0.5, 0.25, 0.25)).pictures
    run = tmp_path / "run"
    run.mkdir()
    manifest = Manifest(cells, tuple(pictures))
    manifest.write(run / "manifest.csv")
    (run / "config.yaml").write_text(f"stages: {{scan: {{data: '{cells}'}}}}")
    listing = list_data(run / "manifest.csv")
    assert listing.root == cells
    assert [(f.path, f.label, f.split, f.group) for f in listing.files] == [
        (p.path, p.label, p.split, p.group) for p in manifest.pictures
    ]
    assert split(scan(listing).pictures, [], seed=7).pictures == pictures
    assert not has_named_labels(run / "manifest.csv")
    (run / "config.yaml").write_text(f"stages: {{scan: {{data: '{run}/manifest.csv'}}}}")
    with pytest.raises(DataError, match="those of this very file"):
        list_data(run / "manifest.csv")
    # Without the run it is a table like others.
    (run / "config.yaml").unlink()
    with pytest.raises(DataError, match="None of the 12 pictures"):
        list_data(run / "manifest.csv")
    manifest.write(cells.parent / "manifest.csv")
    assert open_root(run / "manifest.csv") == run


def test_a_manifest_is_taken_to_the_letter_and_other_tables_are_trimmed(cells, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(cells, data)
    (data / "defective").rename(data / " odd ")
    pictures = split(scan(list_data(data)).pictures, [], seed=0).pictures
    (tmp_path / "run").mkdir()
    Manifest(data, tuple(pictures)).write(tmp_path / "run" / "manifest.csv")
    (tmp_path / "run" / "config.yaml").write_text(f"stages: {{scan: {{data: '{data}'}}}}")
    listing = list_data(tmp_path / "run" / "manifest.csv")
    assert " odd " in listing.class_names
    assert not listing.set_aside


def test_pictures_of_one_given_group_stay_together(cells, write):
    group = {0: "A", 1: "A", 6: "A", 2: "B", 7: "B"}
    table = write(text(rows(cells, group=lambda i: group.get(i, ""))))
    pictures = scan(list_data(table)).pictures
    with pytest.raises(DataError, match="pictures of one group stay together"):
        split([p for p in pictures if p.group], [], seed=0)
    check_listing(list_data(table).files)
    with pytest.raises(DataError, match="pictures of one group stay together"):
        check_listing([file for file in list_data(table).files if file.group])
    for seed in range(5):
        divided = split(pictures, [], seed=seed).pictures
        assert [len({p.split for p in divided if p.group == name}) for name in "AB"] == [1, 1]
        assert sum(not p.group for p in divided) == 7
    # A pattern on the path joins groups further.
    pattern = f"(defective)/({Path(pictures[0].path).stem}|{Path(pictures[2].path).stem})"
    joined = split(pictures, [], seed=0, group_regex=pattern).pictures
    of_both = [p for p in joined if p.group]
    assert {p.group for p in of_both} == {"A+B+defective"}
    assert len(of_both) == 5
    assert len({p.split for p in of_both}) == 1


def test_stamps_change_with_the_label_and_with_the_picture(cells, tmp_path):
    picture = tmp_path / "1.png"
    picture.write_bytes(next(cells.glob("*/*.png")).read_bytes())
    table = tmp_path / "t.csv"
    table.write_text("path,label,other\n1.png,a,b")
    first = stamps(table, least=0)
    assert stamps(table, least=0) == first
    assert stamps(table, label="other", least=0) != first
    table.write_text("path,label,other\n1.png,b,b")
    second = stamps(table, least=0)
    assert second != first
    picture.write_bytes(b"other")
    assert stamps(table, least=0) != second


def test_names_and_whole_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos.csv").mkdir()
    assert not is_table("photos.csv")
    assert is_table("labels.CSV")
    assert is_tfds("tfds:mnist")
    assert whole("a/labels.csv") == str(tmp_path / "a" / "labels.csv")
    assert whole(2024) == str(tmp_path / "2024")
    assert whole(["a"]) == ["a"]
    assert whole("tfds:mnist/x:1.0.0") == "tfds:mnist/x:1.0.0"
    assert whole("tfds:./there") == f"tfds:{tmp_path / 'there'}"
    found = [name_of(n) for n in ("a/labels.csv", "a/birds.csv", "tfds:mnist/x:1.0.0", "a/b/")]
    assert found == ["a", "birds", "mnist", "b"]


def test_a_run_does_not_write_over_the_manifest_that_it_reads(tmp_path):
    run = tmp_path / "run"
    (run / "stages").mkdir(parents=True)
    pipeline = validate(override(FINETUNE, [f"scan.data={run / 'manifest.csv'}"]))
    with pytest.raises(RunError, match="holds the manifest that is read"):
        check_folder(run, pipeline)
    check_folder(tmp_path / "other", pipeline)


def test_tables_of_the_demo_hold_all_that_is_known(tmp_path, capsys):
    from tlpipe.demo import lay_out

    result = lay_out("solar-cells", tmp_path / "cells", form="csv")
    assert result["data"] == f"{tmp_path / 'cells'}/labels.csv"
    assert result["counts"] == {"functional": 1803, "defective": 821}
    with Path(result["data"]).open(newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == 2624
    assert found[0] == {
        "path": "pictures/cell0001.png",
        "label": "defective",
        "probability": "1.0",
        "cell": "mono",
        "tags": "defective|monocrystalline",
    }
    assert {row["tags"] for row in found} == {
        "",
        "defective",
        "monocrystalline",
        "defective|monocrystalline",
    }
    for row in found:
        assert ("defective" in row["tags"].split("|")) == (float(row["probability"]) > 0.5)
    listing = list_data(result["data"], label="tags", least=0)
    assert len(listing.files) == 2624
    assert not listing.set_aside
    demo("solar-cells", tmp_path / "cells", Form.csv)
    told = capsys.readouterr().out
    assert "2624 pictures already there" in told
    assert f"Next: tlpipe finetune --data {tmp_path / 'cells'}/labels.csv" in told
    (tmp_path / "cells" / "labels.csv").write_text("path,label\n")
    with pytest.raises(DataError, match="already holds other things"):
        lay_out("solar-cells", tmp_path / "cells", form="csv")
    with pytest.raises(DataError, match="did you mean 'csv'"):
        lay_out("solar-cells", tmp_path / "x", form="cvs")
