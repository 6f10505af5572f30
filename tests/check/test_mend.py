"""--fix: what it writes can be trained on, and nothing of the data is touched."""

import csv
import hashlib

import pytest
from skimage import data as skimage_data

from tests.check.looking import checked, facts, found, opened
from tests.data.odd_files import bad_files, copy_of, encoded, put
from tlpipe.check.mend import check_target, mend
from tlpipe.data.duplicates import find_duplicates
from tlpipe.data.scan import scan
from tlpipe.data.source import list_data
from tlpipe.errors import DataError


def state(folder):
    """Names, bytes and times of all files and folders."""
    return {
        str(path): (
            path.stat().st_mtime_ns,
            path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def broken(small, tmp_path_factory):
    """Photographs and cells with every fault that --fix mends."""
    root = tmp_path_factory.mktemp("broken") / "photos 中文"
    for label in ("defective", "functional"):
        for file in sorted((small / label).iterdir())[::4]:
            put(root, f"{label}/{file.name}", file.read_bytes())
    coffee, cat = skimage_data.coffee(), skimage_data.chelsea()
    for name, (data, _) in bad_files().items():
        put(root, f"defective/{name}", data)
    put(root, "defective/phone.heic", b"x")
    put(root, "defective/coffee.png", encoded(coffee, "PNG"))
    put(root, "defective/coffee_again.png", encoded(coffee, "PNG"))
    put(root, "defective/coffee, small.png", copy_of(coffee, "half.png"))
    put(root, "defective/cat.png", encoded(cat, "PNG"))
    put(root, "functional/cat.png", encoded(cat, "PNG"))
    put(root, "functional/cat.jpg", copy_of(cat, "q50.jpg"))
    return root


def test_the_mended_table_is_clean_and_the_originals_are_as_they_were(broken, tmp_path):
    before = state(broken)
    mended = mend(checked(broken).subject, tmp_path / "deep" / "mended")
    assert state(broken) == before
    assert sorted(p.name for p in mended.table.parent.iterdir()) == ["labels.csv", "left_out.csv"]

    listing = list_data(mended.table)
    result = scan(listing)
    assert (result.bad, listing.set_aside) == ([], [])
    assert len(result.pictures) == mended.kept == 22
    groups = find_duplicates(listing.root, result.pictures)
    (alike,) = groups
    label_of = {picture.path: picture.label for picture in result.pictures}
    assert alike.kind == "near"
    assert len({label_of[path] for path in alike.members}) == 1
    assert {p.group for p in result.pictures if p.path in groups[0].members} == {
        "duplicates of defective/coffee, small.png"
    }
    again = found(checked(mended.table))
    assert "files.fine" in again
    assert {"duplicates.exact", "duplicates.conflict"}.isdisjoint(again)
    assert again["duplicates.near"].level == "info"


def test_what_is_left_out_has_its_cause(broken, tmp_path):
    mended = mend(checked(broken).subject, tmp_path)
    left = {path.rsplit("/", 1)[-1]: row for path, row in rows(tmp_path / "left_out.csv").items()}
    assert left["bomb.png"]["label"] == "defective"
    assert all(words in left[name]["cause"] for name, (_, words) in bad_files().items())
    assert "HEIC" in left["phone.heic"]["cause"]
    assert left["coffee_again.png"]["cause"] == "an exact copy of defective/coffee.png"
    assert (
        "the same picture as functional/cat.jpg"
        in rows(tmp_path / "left_out.csv")[
            next(
                path
                for path in rows(tmp_path / "left_out.csv")
                if path.endswith("defective/cat.png")
            )
        ]["cause"]
    )
    assert mended.left_out == 12 + 1 + 1 + 3


def test_of_copies_in_several_parts_the_tested_one_stays(small, tmp_path):
    root = tmp_path / "data"
    for label in ("defective", "functional"):
        for i, file in enumerate(sorted((small / label).iterdir())[:9]):
            put(root, f"{('train', 'val', 'test')[i % 3]}/{label}/{file.name}", file.read_bytes())
    coffee, cat = skimage_data.coffee(), skimage_data.chelsea()
    put(root, "train/functional/coffee.png", encoded(coffee, "PNG"))
    put(root, "test/functional/coffee.png", encoded(coffee, "PNG"))
    put(root, "train/functional/cat.png", encoded(cat, "PNG"))
    put(root, "val/functional/cat.jpg", copy_of(cat, "q50.jpg"))
    mended = mend(checked(root).subject, tmp_path / "mended")
    kept = rows(mended.table)
    names = {path.removeprefix("../data/") for path in kept}
    assert {"test/functional/coffee.png", "val/functional/cat.jpg"} <= names
    assert {"train/functional/coffee.png", "train/functional/cat.png"}.isdisjoint(names)
    assert kept["../data/val/functional/cat.jpg"]["split"] == "val"
    assert {"duplicates.leak", "duplicates.exact"}.isdisjoint(found(checked(mended.table)))


def test_groups_of_the_expression_are_kept(small, tmp_path):
    root = tmp_path / "data"
    for label in ("defective", "functional"):
        for i, file in enumerate(sorted((small / label).iterdir())[:8]):
            put(root, f"{label}/panel{i // 2}_{file.name}", file.read_bytes())
    image = opened(next((root / "functional").glob("panel0_*")))
    put(root, "functional/panel3_copy.jpg", copy_of(image, "q50.jpg"))
    mended = mend(checked(root, "split.group=(panel[0-9])_").subject, tmp_path / "mended")
    groups = {row["group"] for row in rows(mended.table).values()}
    assert groups == {"panel0+panel3", "panel1", "panel2"}, "a copy joins two panels"
    assert facts(checked(mended.table), "parts")["groups"]["panel0+panel3"] == 9


def test_records_are_checked_and_can_not_be_fixed(tfds_cells, tmp_path):
    data = f"tfds:{tfds_cells}"
    result = checked(data, "scan.duplicates=false")
    assert {"files.fine", "classes.balance", "duplicates.none"} <= found(result).keys()
    assert result.subject.listing.class_names == ["defective", "functional"]
    assert "<h1>Check of solar_cells</h1>" in result.html()
    with pytest.raises(DataError, match="are no files that a table could name"):
        check_target(data, tmp_path / "mended")


def test_a_folder_that_must_not_be_written_to_is_refused(small, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "labels.csv").write_text("precious")
    for data, folder, words in (
        (small, small / "mended", "in the folder of pictures"),
        (small, tmp_path / "mine", "holds other things, such as 'labels.csv'"),
        (table, tmp_path, "holds the table"),
        (small, table, "is a file"),
    ):
        with pytest.raises(DataError, match=words):
            check_target(str(data), folder)
    check_target(str(small), tmp_path / "new")
    (tmp_path / "ours").mkdir()
    for name in ("labels.csv", "left_out.csv"):
        (tmp_path / "ours" / name).write_text("")
    check_target(str(small), tmp_path / "ours")
