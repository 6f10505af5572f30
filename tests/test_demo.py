"""The demo lays real pictures out, whole or not at all."""

import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from tlpipe import demo
from tlpipe.errors import DataError


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo") / "new" / "photos"
    steps = []
    result = demo.lay_out("solar-cells", directory, lambda done, total: steps.append((done, total)))
    return directory, result, steps


def test_every_picture_lies_in_the_folder_of_its_class(photos):
    directory, result, steps = photos
    # 1,803 of the 2,624 cells have a defect probability of 1/3 or less.
    assert result["counts"] == {"functional": 1803, "defective": 821}
    assert not result["already_there"]
    assert steps[-1] == (2624, 2624)
    for label, count in result["counts"].items():
        assert len(list((directory / label).glob("cell*.png"))) == count
    # The first cell of the data set has probability 1, the fourth 0.
    with Image.open(directory / "defective" / "cell0001.png") as picture:
        assert picture.size == (300, 300)
    assert (directory / "functional" / "cell0004.png").is_file()


def test_the_licence_and_the_authors_are_named(photos):
    directory, result, _ = photos
    text = (directory / "LICENSE.txt").read_text()
    for expected in ("CC BY-NC-SA 4.0", "2018", "2019", "2021", "Buerhop-Lutz", "Deitsch"):
        assert expected in text
    assert "CC BY-NC-SA 4.0" in result["licence"]


def test_nothing_is_left_beside_the_folder(photos):
    assert [entry.name for entry in photos[0].parent.iterdir()] == ["photos"]


def test_a_second_time_nothing_is_written(photos):
    directory, first, _ = photos
    (directory / ".DS_Store").write_bytes(b"x")
    before = (directory / "LICENSE.txt").stat().st_mtime_ns
    steps = []
    again = demo.lay_out("solar-cells", directory, lambda *step: steps.append(step))
    assert again == {**first, "already_there": True}
    assert not steps
    assert (directory / "LICENSE.txt").stat().st_mtime_ns == before


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="already holds other things"):
        demo.lay_out("solar-cells", tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_a_damaged_demo_is_not_taken_for_a_whole_one(photos, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(photos[0], copy)
    (copy / "functional" / "cell0004.png").unlink()
    with pytest.raises(DataError, match="already holds other things"):
        demo.lay_out("solar-cells", copy)


def test_an_empty_folder_may_be_filled(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert demo.lay_out("solar-cells", empty)["counts"]["defective"] == 821
    assert (empty / "defective").is_dir()


def test_a_file_in_the_way_is_refused(tmp_path):
    file = tmp_path / "photos"
    file.write_text("x")
    with pytest.raises(DataError, match="is a file"):
        demo.lay_out("solar-cells", file)


def test_ctrl_c_leaves_nothing(tmp_path):
    def interrupt(done, total):
        if done == 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo.lay_out("solar-cells", tmp_path / "photos", interrupt)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(DataError, match="No space left on device"):
        demo.lay_out("solar-cells", tmp_path / "photos")
    assert not list(tmp_path.iterdir())


def test_an_unknown_demo_names_the_nearest():
    with pytest.raises(DataError, match="did you mean 'solar-cells'"):
        demo.lay_out("solarcells", Path("never"))


def test_a_missing_wheel_names_the_command(tmp_path, monkeypatch):
    elsewhere = [p for p in sys.path if not (Path(p) / "elpv_dataset").is_dir()]
    monkeypatch.setattr(sys, "path", elsewhere)
    monkeypatch.delitem(sys.modules, "elpv_dataset", raising=False)
    with pytest.raises(DataError, match=r"pip install 'tlpipe\[demo\]'"):
        demo.lay_out("solar-cells", tmp_path / "photos")
