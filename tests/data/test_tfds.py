"""Data sets that TFDS prepared: real ones, made by real builders, read back from their folder."""

import contextlib
import hashlib
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from tests.data.tfds_parts import SPLITS, Parts
from tlpipe.config.source import name_of, prepared, whole
from tlpipe.data.manifest import Manifest
from tlpipe.data.scan import scan
from tlpipe.data.source import list_data, open_root, stamps
from tlpipe.data.split import split
from tlpipe.demo import layout
from tlpipe.demo.solar_cells import cells
from tlpipe.errors import DataError


@pytest.fixture(scope="module")
def parts(small, tmp_path_factory) -> Path:
    """Both configurations of ``Parts``; treat it as read-only."""
    home = tmp_path_factory.mktemp("home")
    files = sorted(small.glob("*/*.png"))
    tfds.disable_progress_bar()
    for config in ("small", "large"):
        builder = Parts(files, data_dir=str(home), config=config, file_format="array_record")
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(download_dir=str(home / "downloads"))
    shutil.rmtree(home / "downloads", ignore_errors=True)
    return home


@pytest.fixture
def own(tfds_cells, tmp_path) -> Path:
    """A copy that a test may damage: the folder of the version."""
    shutil.copytree(tfds_cells, tmp_path / "own")
    return tmp_path / "own" / "solar_cells" / "1.0.0"


def shard(folder: Path) -> Path:
    (found,) = folder.glob("*.array_record*")
    return found


def test_the_demo_s_data_set_gives_the_bytes_of_its_files(tfds_cells):
    listing = list_data(f"tfds:{tfds_cells}")
    assert listing.class_names == ["defective", "functional"]
    assert len(listing.files) == 40
    assert not listing.set_aside
    assert {file.split for file in listing.files} == {None}
    files = {cell.file.name: cell for cell in cells()}
    for number, file in enumerate(listing.files):
        split_name, _, name = file.path.partition("/")
        assert (split_name, name[:7]) == ("train", f"{number:06d}-")
        cell = files[name[7:]]
        assert file.label == cell.label
        assert (listing.root / file.path).read_bytes() == cell.file.read_bytes()
    numbers = list_data(f"tfds:{tfds_cells}", label="probability").files
    probability = {file.path: file.label for file in numbers}
    for path, text in probability.items():
        assert float(text) == pytest.approx(files[path[13:]].probability)
    assert set(probability.values()) <= {"0.0", "0.33333334", "0.6666667", "1.0"}


def test_a_scan_finds_what_it_finds_in_a_folder_whatever_the_threads(tfds_cells, tmp_path):
    listing = list_data(f"tfds:{tfds_cells}")
    for file in listing.files:
        target = tmp_path / file.label / file.path[13:]
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((listing.root / file.path).read_bytes())
    ours, theirs = scan(listing, workers=8), scan(list_data(tmp_path))
    assert ours == scan(listing, workers=1)
    assert not ours.bad

    def facts(found):
        return sorted((p.sha256, p.phash, p.label, p.width, p.height, p.bytes) for p in found)

    assert facts(ours.pictures) == facts(theirs.pictures)


def test_a_manifest_of_it_is_verified_by_content(tfds_cells, tmp_path):
    listing = list_data(f"tfds:{tfds_cells}")
    divided = split(scan(listing).pictures, [], seed=0).pictures
    assert {p.split for p in divided} == {"train", "val", "test"}
    Manifest(listing.root, tuple(divided)).write(tmp_path / "manifest.csv")
    manifest = Manifest.read(tmp_path / "manifest.csv", root=open_root(f"tfds:{tfds_cells}"))
    manifest.verify()
    first = manifest.pictures[0]
    other = manifest.pictures[1].path
    lost = replace(first, path="train/000040")
    elsewhere = replace(first, path=other)
    with pytest.raises(DataError, match="train/000040 is missing") as caught:
        Manifest(manifest.root, (lost, elsewhere, *manifest.pictures[2:])).verify()
    assert f"{other} changed" in str(caught.value)
    # A run's manifest leads to the data set again.
    (tmp_path / "config.yaml").write_text(f"stages: {{scan: {{data: 'tfds:{tfds_cells}'}}}}")
    again = list_data(tmp_path / "manifest.csv")
    assert [file.split for file in again.files] == [p.split for p in manifest.pictures]
    assert scan(again).pictures[0].sha256 == first.sha256


def test_its_own_splits_are_parts_and_others_are_named(parts):
    listing = list_data(f"tfds:{parts}/parts/small")
    count = {part: sum(f.split == part for f in listing.files) for part in ("train", "val", "test")}
    assert count == {"train": 8, "val": 4, "test": 3}
    (bad,) = listing.set_aside
    assert (bad.path.split("/")[0], bad.cause) == ("test", "its label is empty")
    assert listing.ignored == {"of the split 'unsupervised'": SPLITS["unsupervised"]}
    assert listing.class_names == ["a", "b"]
    # Without a file's name the number is all.
    numbers = {file.path for file in listing.files} | {bad.path}
    assert {f"test/{number:06d}" for number in range(4)} < numbers
    assert not scan(listing).bad[1:]


@pytest.mark.parametrize(
    ("label", "texts"),
    [
        ("tags", {"", "x", "x|y"}),
        ("species", {"\u00e90", "\u00e91"}),
        ("age", set("01234567")),
    ],
)
def test_a_label_of_any_kind_is_text(parts, label, texts):
    listing = list_data(f"tfds:{parts}/parts/small", label=label, least=0)
    assert set(listing.class_names) == texts
    assert len(listing.files) == 16


def test_a_name_is_looked_for_in_the_home_of_tfds_and_nothing_is_fetched(parts, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(parts))
    data = "tfds:parts/large:1.2.0"
    assert open_root(data).folder == parts / "parts" / "large" / "1.2.0"
    assert str(open_root(data)) == f"tfds:{parts}/parts/large/1.2.0"
    assert open_root("tfds:parts/large:1.*.*").name == "parts"
    assert whole(data) == data
    assert name_of(data) == "parts"
    for data, words in {
        "tfds:parts": ["is 2 data sets", "large/1.2.0, small/1.2.0", "choose one: --data tfds:"],
        "tfds:part": ["'part' of TFDS is not prepared", str(parts), "did you mean 'parts'?"],
        "tfds:mnist/x:3.0.1": [
            "tfds.builder('mnist/x:3.0.1', file_format='array_record').download_and_prepare()",
            f"copy the folder ~/tensorflow_datasets/mnist to {parts}/mnist",
        ],
        "tfds:parts/large:2.0.0": ["not prepared", "there are only", "parts/large/1.2.0"],
        "tfds:no name": ["no folder 'no name'", "tfds:NAME/CONFIG:VERSION"],
        "tfds:./nowhere": ["'./nowhere' is not there"],
        f"tfds:{Path(__file__).parent}": ["holds no data set that TFDS prepared"],
    }.items():
        with pytest.raises(DataError) as caught:
            list_data(data)
        for word in words:
            assert word in str(caught.value)


def test_the_newest_version_is_taken_unless_one_is_named(tfds_cells, tmp_path, monkeypatch):
    for version in ("1.0.0", "1.9.0", "1.10.0"):
        target = tmp_path / "solar_cells" / version
        shutil.copytree(tfds_cells / "solar_cells" / "1.0.0", target)
        info = json.loads((target / "dataset_info.json").read_text())
        (target / "dataset_info.json").write_text(json.dumps({**info, "version": version}))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert open_root("tfds:solar_cells").folder.name == "1.10.0"
    assert open_root("tfds:solar_cells:1.9.0").folder.name == "1.9.0"


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("lable", ["no feature 'lable'", "did you mean 'label'?", "--label"]),
        ("picture", ["'picture'", "can't be a label"]),
        ("box", ["'box'", "can't be a label"]),
    ],
)
def test_what_can_t_be_a_label_is_told(parts, label, words):
    with pytest.raises(DataError) as caught:
        list_data(f"tfds:{parts}/parts/small", label=label)
    for word in words:
        assert word in str(caught.value)


def test_a_set_in_another_format_says_how_to_convert_it(own):
    info = (own / "dataset_info.json").read_text()
    (own / "dataset_info.json").write_text(info.replace("array_record", "tfrecord"))
    with pytest.raises(DataError) as caught:
        list_data(f"tfds:{own}")
    for word in ("is in the format tfrecord", f"--dataset_version_dir={own}", "=array_record"):
        assert word in str(caught.value)


def test_a_damaged_picture_is_set_aside_and_a_missing_file_is_told(own):
    whole_set = list_data(f"tfds:{own}")
    data = bytearray(shard(own).read_bytes())
    for place in range(300_000, 300_100):
        data[place] ^= 255
    shard(own).write_bytes(data)
    listing = list_data(f"tfds:{own}")
    (bad,) = listing.set_aside
    assert "Corrupted" in bad.cause
    assert bad.path in {file.path.partition("-")[0] for file in whole_set.files}
    assert len(scan(listing).pictures) == 39
    shard(own).unlink()
    with pytest.raises(DataError, match=r"(?s)0 classes in 0 pictures.*can't be read"):
        list_data(f"tfds:{own}")
    (own / "dataset_info.json").write_text("{}")
    with pytest.raises(DataError, match="TFDS can't open"):
        list_data(f"tfds:{own}")


def test_it_is_opened_once_while_its_files_stay_the_same(own):
    first, stamp = open_root(f"tfds:{own}"), stamps(f"tfds:{own}")
    assert open_root(f"tfds:{own.parent.parent}") is first
    shard(own).touch()
    assert open_root(f"tfds:{own}") is not first
    assert stamps(f"tfds:{own}") != stamp


def test_a_root_and_its_records_are_like_a_folder_and_its_files(tfds_cells):
    root = open_root(f"tfds:{tfds_cells}")
    records = list(root.iterdir())
    assert len(records) == 40
    assert root.is_dir()
    assert not root.is_file()
    first = records[0]
    assert first.is_file()
    assert not first.is_dir()
    assert first.name == "000000"
    assert first.open("rb").read() == first.read_bytes()
    sha256 = hashlib.sha256(first.read_bytes()).hexdigest()
    assert sha256 == scan(list_data(f"tfds:{tfds_cells}")).pictures[0].sha256
    for path in ("train/000040", "test/000000", "train/x", "x", "train/-00001"):
        assert not (root / path).is_file()
        with pytest.raises(FileNotFoundError):
            (root / path).read_bytes()


def test_tensorflow_is_not_needed(tfds_cells):
    code = (
        "import sys; from tlpipe.data.source import list_data; from tlpipe.data.scan import scan;"
        "print(len(scan(list_data(sys.argv[1])).pictures), 'tensorflow' in sys.modules)"
    )
    data = f"tfds:{tfds_cells}"
    done = subprocess.run(
        [sys.executable, "-c", code, data], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["40", "False"]


def test_the_demo_is_laid_out_whole_or_not_at_all(tmp_path, monkeypatch):
    some = [*cells()[:12], *cells()[-12:]]
    monkeypatch.setitem(layout._DEMOS, "solar-cells", lambda: some)
    target, steps = tmp_path / "set", []
    result = layout.lay_out("solar-cells", target, lambda *s: steps.append(s), form="tfds")
    assert result["data"] == f"tfds:{target}"
    assert steps[-1] == (24, 24)
    assert [entry.name for entry in tmp_path.iterdir()] == ["set"]
    assert sorted(entry.name for entry in target.iterdir()) == ["LICENSE.txt", "solar_cells"]
    assert "CC BY-NC-SA 4.0" in (target / "LICENSE.txt").read_text()
    assert name_of(result["data"]) == "solar_cells"
    builder = tfds.builder_from_directory(str(prepared(target)[0]))
    assert builder.info.splits["train"].num_examples == 24
    assert sorted(builder.info.features) == ["file_name", "image", "label", "probability"]
    assert len(list_data(result["data"]).files) == 24
    assert layout.lay_out("solar-cells", target, form="tfds") == {**result, "already_there": True}
    shard(prepared(target)[0]).unlink()
    with pytest.raises(DataError, match="already holds other things"):
        layout.lay_out("solar-cells", target, form="tfds")

    def interrupt(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layout.lay_out("solar-cells", tmp_path / "second", interrupt, form="tfds")
    assert [entry.name for entry in tmp_path.iterdir()] == ["set"]
