"""Every finding fires on its planted fault, and none of them on the clean demo pictures."""

import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from skimage import data as skimage_data

from tests.check.looking import blurred, checked, facts, found, opened
from tests.conftest import few
from tests.data.odd_files import bad_files, copy_of, encoded, put
from tlpipe.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def cells(solar_cells, tmp_path_factory):
    """48 cells a class from all over the demo; treat it as read-only."""
    root = tmp_path_factory.mktemp("clean") / "cells"
    for label in ("defective", "functional"):
        files = sorted((solar_cells / label).iterdir())
        for file in files[:: len(files) // 48][:48]:
            put(root, f"{label}/{file.name}", file.read_bytes())
    return root


@pytest.fixture(scope="module")
def clean(cells):
    return checked(cells)


@pytest.fixture(scope="module")
def planted(cells, tmp_path_factory):
    """24 good cells a class, and every fault that can be planted in a folder without parts."""
    root = few(cells, tmp_path_factory.mktemp("planted") / "cells", 24)
    good = sorted((root / "functional").iterdir())
    cell = opened(good[0])
    # Altered copies of those above would be found as copies.
    others = [opened(file) for file in sorted((cells / "functional").iterdir())[30:34]]
    for name, (data, _) in bad_files().items():
        put(root, f"functional/{name}", data)
    put(root, "functional/phone.heic", b"x")
    put(root, "functional/notes.txt", b"x")
    put(root, "loose.png", good[1].read_bytes())
    (root / "nothing yet").mkdir()
    put(root, "functional/exact.png", good[2].read_bytes())
    put(root, "functional/near.jpg", copy_of(opened(good[3]), "q50.jpg"))
    put(root, "defective/contrary.png", good[4].read_bytes())
    put(root, "functional/small.png", encoded(cv2.resize(others[0], (50, 40)), "PNG"))
    put(root, "functional/long.png", encoded(cell[:120].repeat(4, axis=1)[:, ::1], "PNG"))
    put(root, "functional/empty.png", encoded(np.full((200, 200, 3), 130, np.uint8), "PNG"))
    put(root, "functional/dark.png", encoded(others[3] // 6, "PNG"))
    put(root, "functional/bright.png", encoded(255 - others[1] // 8, "PNG"))
    put(root, "functional/blurred.png", encoded(blurred(others[2], 6), "PNG"))
    put(root, "functional/coloured.png", encoded(skimage_data.astronaut(), "PNG"))
    put(root, "rare/1.png", encoded(skimage_data.coins(), "PNG"))
    for i, crop in enumerate(
        (np.s_[:300, :300], np.s_[100:, 200:], np.s_[:250, 250:], np.s_[200:])
    ):
        put(root, f"Rare_/{i}.png", encoded(skimage_data.brick()[crop], "PNG"))
    return root


@pytest.fixture(scope="module")
def planted_check(planted):
    return checked(planted)


FAULTS = {
    "files.unreadable": ("red", ["12 of ", "truncated JPEG (2)"]),
    "files.left_out": ("amber", ["2 files", "HEIC files can't be read (1)", "not in a class"]),
    "files.empty_classes": ("amber", ["'nothing yet'"]),
    "files.ignored": ("info", ["1 .txt"]),
    "classes.small": ("red", ["'rare' (1 picture)", "3 parts"]),
    "classes.few": ("amber", ["'Rare_' (4 pictures)"]),
    "classes.alike": ("amber", ["'Rare_' and 'rare'"]),
    "duplicates.conflict": ("red", ["defective/contrary.png", "'functional'"]),
    "duplicates.exact": ("amber", ["2 of "]),
    "duplicates.near": ("amber", ["1 of "]),
    "pictures.small": ("amber", ["functional/small.png", "below 112"]),
    "pictures.long": ("amber", ["functional/long.png", "3 times"]),
    "pictures.empty": ("amber", ["functional/empty.png"]),
    "pictures.dark": ("amber", ["functional/dark.png"]),
    "pictures.bright": ("amber", ["functional/bright.png"]),
    "pictures.blurred": ("amber", ["functional/blurred.png"]),
    "pictures.coloured": ("amber", ["functional/coloured.png", "and the others gray"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_the_clean_pictures_have_none(clean, planted_check, name):
    level, words = FAULTS[name]
    finding = found(planted_check)[name]
    assert finding.level == level
    for word in words:
        assert word in finding.sentence
    assert name not in found(clean)


def test_of_each_kind_only_the_planted_picture_is_found(planted_check):
    faults = facts(planted_check, "pictures")["faults"]
    assert {name: [os.path.basename(p) for p in paths] for name, paths in faults.items()} == {
        name: [f"{name}.png"]
        for name in ("small", "long", "empty", "dark", "bright", "blurred", "coloured")
    }


def test_what_is_in_order_is_said_in_one_line_a_section(clean):
    assert clean.verdict.level == "green"
    assert [section.name for section in clean.sections] == [
        "files",
        "classes",
        "parts",
        "duplicates",
        "pictures",
        "properties",
    ]
    assert all(len(section.findings) == 1 for section in clean.sections)


def test_every_bad_file_is_in_the_document_with_its_cause(planted_check):
    document = json.loads(planted_check.document().model_dump_json())
    files = document["sections"][0]["facts"]
    causes = {bad["path"]: bad["cause"] for bad in files["unreadable"]}
    assert {f"functional/{name}" for name in bad_files()} == set(causes)
    assert all(words in causes[f"functional/{n}"] for n, (_, words) in bad_files().items())
    assert files["ignored"] == {".txt": 1}
    assert document["level"] == "red"


def test_equal_data_give_equal_bytes(cells, tmp_path, clean):
    few(cells, tmp_path / "cells", 48)
    again = checked(tmp_path / "cells")
    typed = (str(tmp_path / "cells"), str(cells))
    assert again.html().replace(*typed) == clean.html()
    mine, theirs = (c.document().model_dump_json() for c in (again, clean))
    assert mine.replace(*typed) == theirs


def test_parts_that_leak_lack_or_tear_are_found(small, tmp_path):
    of = {label: sorted((small / label).iterdir()) for label in ("defective", "functional")}
    for label, files in of.items():
        for i, file in enumerate(files[:14]):
            part = "test" if i > 11 else "val" if i > 9 else "train"
            if (part, label) != ("val", "defective"):
                put(tmp_path, f"{part}/{label}/panel{i // 3}_{file.name}", file.read_bytes())
    leaked = of["functional"][0]
    put(tmp_path, f"test/functional/copy_{leaked.name}", leaked.read_bytes())
    result = checked(tmp_path, "split.group=(panel[0-9]+)_")
    seen = found(result)
    assert seen["duplicates.leak"].level == "red"
    assert f"copy_{leaked.name}" in seen["duplicates.leak"].sentence
    assert (seen["parts.val_lacks"].level, "parts.train_lacks" in seen) == ("amber", False)
    assert "'defective'" in seen["parts.val_lacks"].sentence
    # Pictures 9 to 11 are one panel, in train and val; 12 and 13 lie in test alone.
    assert facts(result, "parts")["groups_torn"] == ["panel3"]
    assert (seen["parts.torn"].level, seen["parts.unmatched"].level) == ("red", "amber")
    assert "1 of 27" in seen["parts.unmatched"].sentence
    assert "train 20, val 2, test 5" in seen["parts.given"].sentence


def test_what_gives_a_class_away_is_found(small, tmp_path):
    for label in ("defective", "functional"):
        for file in sorted((small / label).iterdir())[:16]:
            image = opened(file)
            if label == "functional":
                put(tmp_path, f"{label}/{file.stem}.jpg", encoded(image, "JPEG", quality=95))
            else:
                put(tmp_path, f"{label}/{file.name}", encoded(image // 2, "PNG"))
    result = checked(tmp_path)
    finding = found(result)["properties.telling"]
    assert finding.level == "amber"
    told = {(s["property"], s["higher"]) for s in facts(result, "properties")["separations"]
            if s["auc"] > 0.9}  # fmt: skip
    assert {("format JPEG", True), ("format PNG", False), ("brightness", True)} <= told
    assert "<svg" in result.sections[-1].figures[0].svg


def test_one_class_is_red_and_what_holds_no_class_is_refused(small, tmp_path):
    shutil.copytree(small / "functional", tmp_path / "only" / "functional")
    shutil.copytree(small / "functional", tmp_path / "flat")
    assert found(checked(tmp_path / "only"))["classes.one"].level == "red"
    with pytest.raises(DataError, match="no class sub-folders"):
        checked(tmp_path / "flat")
    with pytest.raises(ConfigError, match="matches no picture"):
        checked(tmp_path / "only", "split.group=(zebra)")


def test_pictures_that_can_not_be_read_at_all_are_still_reported(tmp_path):
    for name, (data, _) in bad_files().items():
        put(tmp_path, f"cat/{name}", data)
    result = checked(tmp_path)
    assert [section.name for section in result.sections] == ["files"]
    assert "12 of 12 files (100.0%)" in found(result)["files.unreadable"].sentence
    assert "truncated PNG" in result.html()


def test_hostile_names_are_text(small, tmp_path):
    good = sorted((small / "functional").iterdir())
    evil = "<img src=x onerror=alert(1)>"
    for i, file in enumerate(good[:3]):
        put(tmp_path, f"{evil}/`中文`{i}{{{{1}}}}.png", file.read_bytes())
        put(tmp_path, f"中文/{evil}{i}.png", good[i + 3].read_bytes())
    put(tmp_path, f"中文/{evil}copy.png", good[0].read_bytes())
    put(tmp_path, f"{evil}/{evil}.png", b"no picture")
    page = checked(tmp_path).html()
    assert evil not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "中文" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_six_channels_are_checked_like_three(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(12):
        scene = skimage_data.astronaut()[i * 8 : i * 8 + 128, i * 20 : i * 20 + 128]
        array = np.concatenate([scene, rng.permuted(scene, axis=2)], axis=2)
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        np.save(tmp_path / "ab"[i % 2] / f"{i}.npy", array)
    result = checked(tmp_path, "scan.channels=6")
    assert len(result.subject.pictures) == 12
    assert "pictures.small" not in found(result)
    assert "small" in facts(checked(tmp_path, "scan.channels=6", "backbone.resolution=400"),
                            "pictures")["faults"]  # fmt: skip


def test_keras_is_not_needed(cells, tmp_path):
    code = (
        "import atexit, sys; from tlpipe.cli.main import main; "
        "atexit.register(lambda: print('loaded:', {'keras', 'tensorflow'} & set(sys.modules))); "
        "main()"
    )
    arguments = ["check", "--data", str(cells), "--set", "scan.duplicates=false"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "loaded: set()" in done.stdout
