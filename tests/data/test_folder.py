"""list_folder: classes, parts, order, what is left out, and what is refused."""

import os
import unicodedata

import pytest

from tlpipe.data import folder as folder_module
from tlpipe.data.folder import list_folder, walk
from tlpipe.data.source import stamps
from tlpipe.errors import DataError


def lay(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_natural_order_of_classes_and_files(tmp_path):
    lay(tmp_path, "c10/img10.jpg", "c10/img2.jpg", "c2/b.PNG", "c1/a.jpeg")
    found = list_folder(tmp_path)
    assert found.class_names == ["c1", "c2", "c10"]
    assert [file.path for file in found.files] == [
        "c1/a.jpeg",
        "c2/b.PNG",
        "c10/img2.jpg",
        "c10/img10.jpg",
    ]
    assert {file.split for file in found.files} == {None}


def test_any_script_and_composed_or_not(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Käfer")
    lay(tmp_path, f"{decomposed}/1.jpg", "Käfer/2.jpg", "猫/1.jpg", "قط/1.jpg")
    found = list_folder(tmp_path)
    assert set(found.class_names) == {"Käfer", "猫", "قط"}
    assert sum(file.label == "Käfer" for file in found.files) == 2
    assert all((tmp_path / file.path).is_file() for file in found.files)


@pytest.mark.parametrize("val", ["val", "Valid", "VALIDATION", "dev"])
def test_parts_are_honoured(tmp_path, val):
    lay(tmp_path, "Train/a/1.jpg", "Train/b/1.jpg", f"{val}/a/2.jpg", "TEST/b/3.jpg")
    found = list_folder(tmp_path)
    assert {(file.label, file.split) for file in found.files} == {
        ("b", "test"),
        ("a", "train"),
        ("b", "train"),
        ("a", "val"),
    }
    assert found.class_names == ["a", "b"]


@pytest.mark.parametrize(
    ("train", "test"),
    [("Training", "Testing"), ("training_set", "test_set"), ("train-images", "test data")],
)
def test_parts_of_other_names_are_no_classes(tmp_path, train, test):
    lay(tmp_path, f"{train}/a/1.jpg", f"{train}/b/1.jpg", f"{test}/a/2.jpg")
    found = list_folder(tmp_path)
    assert found.class_names == ["a", "b"]
    assert {file.split for file in found.files} == {"train", "test"}


def test_what_lies_beside_the_parts_is_named(tmp_path):
    lay(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "test/a/2.jpg", "extra/a/3.jpg", "extra/4.png")
    found = list_folder(tmp_path)
    assert len(found.files) == 3
    assert [(bad.path, bad.cause) for bad in found.set_aside] == [
        ("extra/4.png", "beside the parts"),
        ("extra/a/3.jpg", "beside the parts"),
    ]


def test_what_lies_beside_the_parts_may_come_and_go_or_be_closed(tmp_path, monkeypatch):
    lay(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "test/a/2.jpg")
    before = stamps(tmp_path)
    lay(tmp_path, "predictions/3.jpg", "lost+found/4.jpg")
    assert stamps(tmp_path) == before
    close(monkeypatch, "lost+found")
    assert [bad.path for bad in list_folder(tmp_path).set_aside] == ["predictions/3.jpg"]


def test_names_that_are_not_utf8_are_named_in_letters(tmp_path):
    lay(tmp_path, "a/1.jpg", "b/1.jpg")
    broken = os.fsdecode(b"caf\xe9")
    lay(tmp_path, f"{broken}.jpg", f"a/{broken}.jpg", f"{broken}/1.jpg")
    found = list_folder(tmp_path)
    assert found.class_names == ["a", "b"]
    assert found.empty_classes == ["caf\\udce9"]
    assert {bad.path for bad in found.set_aside} == {
        "caf\\udce9.jpg",
        "a/caf\\udce9.jpg",
        "caf\\udce9/1.jpg",
    }


def test_a_link_that_leads_to_itself_is_a_file_that_can_not_be_read(tmp_path):
    lay(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "a" / "x.jpg").symlink_to("x.jpg")
    assert [file.path for file in list_folder(tmp_path).files] == ["a/1.jpg", "a/x.jpg", "b/1.jpg"]


def test_a_class_may_be_called_train(tmp_path):
    lay(tmp_path, "train/1.jpg", "bus/1.jpg", "tram/1.jpg")
    assert list_folder(tmp_path).class_names == ["bus", "train", "tram"]
    lay(tmp_path, "train/steam/2.jpg")
    assert list_folder(tmp_path).class_names == ["bus", "train", "tram"]


def test_deep_folders_belong_to_their_class(tmp_path):
    lay(tmp_path, "a/2020/may/1.jpg", "a/2.jpg", "b/1.tif")
    found = list_folder(tmp_path)
    assert [file.label for file in found.files].count("a") == 2


def test_what_is_left_out_is_counted(tmp_path):
    lay(
        tmp_path,
        "a/1.jpg",
        "a/.hidden.jpg",
        "a/Thumbs.db",
        "a/notes.txt",
        "a/more.TXT",
        "a/README",
        "b/1.jpg",
        "b/.DS_Store",
        "__MACOSX/a/1.jpg",
        ".git/x.jpg",
        "loose.jpg",
        "a/phone.HEIC",
        "LICENSE.txt",
    )
    (tmp_path / "void").mkdir()
    found = list_folder(tmp_path)
    assert [file.path for file in found.files] == ["a/1.jpg", "b/1.jpg"]
    assert found.ignored == {"(no extension)": 1, ".txt": 2}
    assert [(bad.path, bad.cause) for bad in found.set_aside] == [
        ("loose.jpg", "not in a class folder"),
        ("a/phone.HEIC", "HEIC files can't be read: convert it to JPEG or PNG"),
    ]
    assert found.empty_classes == ["void"]


def test_a_link_in_a_circle_ends(tmp_path):
    lay(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "b" / "up").symlink_to(tmp_path, target_is_directory=True)
    paths = [file.path for file in list_folder(tmp_path).files]
    assert "a/1.jpg" in paths
    assert len(paths) < 10


def test_a_linked_class_folder_is_followed(tmp_path):
    elsewhere = lay(tmp_path / "elsewhere", "1.jpg")
    root = lay(tmp_path / "data", "a/1.jpg")
    (root / "b").symlink_to(elsewhere, target_is_directory=True)
    assert list_folder(root).class_names == ["a", "b"]


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_text_is_set_aside(tmp_path):
    lay(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "a" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    lay(tmp_path, "c\r/1.jpg")
    one, other = list_folder(tmp_path).set_aside
    assert (one.path, other.path) == ("a/caf\\udce9.jpg", "c\\r/1.jpg")
    assert "rename it" in one.cause
    assert "carriage return" in other.cause


def test_refusals(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        list_folder(tmp_path / "nowhere")
    lay(tmp_path, "file.jpg")
    with pytest.raises(DataError, match="is a file"):
        list_folder(tmp_path / "file.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"(?s)no class sub-folders.*is empty.*cat/"):
        list_folder(tmp_path / "empty")
    with pytest.raises(DataError, match=r"(?s)no class sub-folders.*not in a class folder"):
        list_folder(lay(tmp_path / "flat", "1.jpg", "2.jpg"))
    with pytest.raises(DataError, match=r"Only one class.*'a'.*2 are needed"):
        list_folder(lay(tmp_path / "one", "a/1.jpg", "b/readme.txt"))


def close(monkeypatch, name):
    """As if the folder ``name`` were another user's: root, who runs the tests, may read all."""
    real = os.scandir

    def refuse(path):
        if str(path).endswith(name):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(folder_module.os, "scandir", refuse)


def test_no_permission_is_said(tmp_path, monkeypatch):
    lay(tmp_path, "a/1.jpg", "b/1.jpg")
    close(monkeypatch, "b")
    with pytest.raises(DataError, match=r"(?s)No permission.*/b.*Permission denied"):
        list_folder(tmp_path)
    below = sorted(walk(tmp_path, closed=True))
    assert below == [tmp_path / "a" / "1.jpg", tmp_path / "b"], "or the closed folder is named"


def test_parts_without_class_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"(?s)'test' holds no class folders.*cat/"):
        list_folder(lay(tmp_path, "train/1.jpg", "test/1.jpg"))


def test_one_class_is_enough_where_it_is_asked_for(tmp_path):
    assert list_folder(lay(tmp_path, "a/1.jpg"), least=1).class_names == ["a"]


def test_where_labels_need_not_be_classes_there_must_be_pictures_all_the_same(tmp_path):
    with pytest.raises(DataError, match=r"(?s)no class sub-folders.*is empty"):
        list_folder(tmp_path, least=0)


def test_a_misspelt_folder_is_met_with_the_nearest(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError) as error:
        list_folder(tmp_path / "photo")
    assert error.value.todo == f"did you mean '{tmp_path / 'photos'}'?"
    with pytest.raises(DataError) as error:
        list_folder(tmp_path / "xyzzy")
    assert "check the spelling" in error.value.todo
