"""Every format of one run: what lies in the folders, and that it says what the model says."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from importlib import resources

import keras
import numpy as np
import onnx
import pytest
from PIL import Image
from rich.console import Console

from tests.export.runs import NAMES, SIZE, TEMPERATURE, make_run, network
from tlpipe.artifact import model_file
from tlpipe.artifact.classifier import load
from tlpipe.config.settings import Export
from tlpipe.data.manifest import Manifest
from tlpipe.export import keras_file, litert, onnx_file
from tlpipe.export.variants import FORMATS
from tlpipe.heads.netvlad import NetVLAD
from tlpipe.heads.norms import GeMPooling, L2Pooling
from tlpipe.heads.pyramid import SpatialPyramidPooling
from tlpipe.metrics.temperature import tempered
from tlpipe.stages.export import export_run
from tlpipe.targets.labels import Labels
from tlpipe.targets.number import Number

ALL = ("savedmodel", "onnx", "onnx-float16", "litert", "litert-dynamic", "litert-int8", "keras")
TEST_PICTURES = 27


@pytest.fixture(scope="module")
def exported(run):
    """Everything at once, and the table that was shown."""
    shown = Console(file=io.StringIO(), width=80)
    found = export_run(
        run,
        shown,
        Export(formats=tuple(FORMATS), quantize=("none", "float16", "dynamic", "int8")),
    )
    return {each.format: each for each in found}, shown.file.getvalue()


@pytest.fixture(scope="module")
def pictures(photos):
    return sorted((photos / "test").rglob("*.png"))[::4]


def test_every_format_agrees_on_the_test_pictures(exported):
    found, _ = exported
    assert set(found) == set(ALL)
    for name, each in found.items():
        assert each.pictures == TEST_PICTURES
        assert each.score_of_model > 0.6, "chance would make any export agree"
        exact = name in ("savedmodel", "onnx", "litert", "keras")
        assert each.difference < (1e-5 if exact else 0.3)
        assert each.agreement == 1.0 or not exact
        assert each.score >= each.score_of_model - 1 / TEST_PICTURES
        assert each.milliseconds > 0
    assert found["onnx-float16"].difference < 2e-2
    assert found["litert-int8"].bytes < found["litert"].bytes
    assert found["onnx-float16"].bytes < found["onnx"].bytes


def test_the_folders_are_whole_and_nothing_else_is_there(run, exported):
    found, _ = exported
    assert sorted(path.name for path in (run / "export").iterdir()) == sorted(ALL)
    for name in ALL:
        folder = run / "export" / name
        assert (folder / "labels.txt").read_text("utf-8").splitlines() == list(NAMES)
        about = json.loads((folder / "about.json").read_text("utf-8"))
        assert about["class_names"] == list(NAMES)
        assert (about["size"], about["resize"], about["temperature"]) == (SIZE, "crop", TEMPERATURE)
        assert about["split"] == load(run).metadata.split
        assert about["calibration_pictures"] == (54 if name == "litert-int8" else 0)
        check = json.loads((folder / "check.json").read_text("utf-8"))
        assert check["difference"] == found[name].difference


def test_the_table_fits_on_80_columns(exported):
    _, shown = exported
    lines = shown.splitlines()
    drawn = [line for line in lines if line[:1] in "┏┃┡│└"]
    assert len(drawn) == len(ALL) + 5
    assert max(map(len, drawn)) < 80, "where rich would break the words"
    for name in ALL:
        assert f" {name} " in shown


@pytest.mark.parametrize("name", ["onnx", "litert", "savedmodel", "keras"])
def test_the_example_says_what_the_command_says(run, exported, pictures, name):
    example = run / "export" / name / "use.py"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", example, *pictures],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    expected = load(run).predict(pictures)
    assert len(lines) == len(NAMES) * len(pictures)
    for first, prediction in zip(lines[:: len(NAMES)], expected, strict=True):
        path, rest = first[: len(prediction.path)], first[len(prediction.path) + 1 :]
        label, _, number = rest.rpartition(" ")
        assert (path, label) == (prediction.path, prediction.label)
        assert float(number) == pytest.approx(max(prediction.probabilities), abs=1e-4)
    assert {p.label for p in expected} == set(NAMES), "the order of the classes is put to the test"


def test_files_carry_their_words_inside(run, exported):
    folder = run / "export"
    model = onnx.load(folder / "onnx" / onnx_file.MODEL)
    words = {each.key: json.loads(each.value) for each in model.metadata_props}
    assert words == json.loads((folder / "onnx" / "about.json").read_text("utf-8"))
    assert [each.name for each in model.graph.input] == ["image"]
    assert [each.name for each in model.graph.output] == ["probabilities"]
    for name in ("litert", "litert-int8"):
        with zipfile.ZipFile(folder / name / litert.MODEL) as archive:
            assert archive.read("labels.txt").decode().splitlines() == list(NAMES)
            assert json.loads(archive.read("about.json"))["temperature"] == TEMPERATURE
    extra = folder / "savedmodel" / "model" / "assets.extra"
    assert (extra / "labels.txt").read_text("utf-8").splitlines() == list(NAMES)
    assert load(folder / "keras" / keras_file.MODEL).class_names == NAMES


def test_the_temperature_can_be_baked_in(run, photos, tmp_path, pictures):
    export_run(
        run,
        Console(quiet=True),
        Export(formats=("onnx", "keras"), calibrated=True, pictures=9),
        out=tmp_path,
    )
    classifier, baked = load(run), load(tmp_path / "keras" / keras_file.MODEL)
    plain = np.array([p.probabilities for p in classifier.predict(pictures)])
    calm = np.array([p.probabilities for p in baked.predict(pictures)])
    np.testing.assert_allclose(calm, tempered(plain, TEMPERATURE), atol=1e-5)
    assert np.abs(calm - plain).max() > 0.01
    assert baked.metadata.temperature == 1
    about = json.loads((tmp_path / "onnx" / "about.json").read_text("utf-8"))
    assert (about["calibrated"], about["baked_temperature"]) == (True, TEMPERATURE)


def test_heads_with_layers_of_their_own_can_be_exported(photos, tmp_path):
    # One network with all of them, so that one export tries each.
    parts = [GeMPooling(), L2Pooling(), SpatialPyramidPooling((1, 2)), NetVLAD(4)]
    model = network(pool=lambda x: keras.layers.Concatenate()([part(x) for part in parts]))
    run = make_run(tmp_path / "run", photos, model)
    export_run(run, Console(quiet=True), Export(formats=tuple(FORMATS), pictures=9))
    about = json.loads((run / "export" / "keras" / "about.json").read_text("utf-8"))
    assert about["own_layers"] == [
        "GeMPooling", "L2Pooling", "NetVLAD", "SpatialPyramidPooling",
    ]  # fmt: skip


@pytest.mark.parametrize(("target", "names"), [("labels", NAMES), ("number", ("price",))])
def test_other_targets_are_exported_and_compared(photos, tmp_path, target, names):
    last = Labels(names).answer_layer() if target == "labels" else Number("x", 40, 9).answer_layer()
    model = network()
    logits = keras.layers.Dense(len(names), name="numbers")(model.get_layer("dropout").output)
    model = keras.Model(model.input, last(logits))
    run = make_run(tmp_path / "run", photos, model, target=target, class_names=names)
    if target == "number":
        _number_the_labels(run)
    found = export_run(run, Console(quiet=True), Export(formats=("onnx", "keras"), pictures=9))
    assert [each.measure for each in found] == ["skill" if target == "number" else "accuracy"] * 2
    assert all(each.difference < 1e-5 for each in found)
    assert all((each.agreement is None) == (target == "number") for each in found)


def _number_the_labels(run):
    """Labels of the manifest as numbers, and the model told of the new split."""
    with (run / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (run / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        for number, row in enumerate(rows):
            writer.writerow({**row, "label": str(30 + number % 20)})
    model, metadata = model_file.load(run / "model.keras")
    digest = Manifest.read(run / "manifest.csv").digest
    model_file.save(model, run / "model.keras", metadata.model_copy(update={"split": digest}))


def test_the_examples_read_pictures_alike():
    folder = resources.files("tlpipe.export") / "examples"
    texts = [(folder / f"{name}.py").read_text("utf-8") for name in FORMATS]
    readers = {text[text.index("for path in") : text.index("    pixels =")] for text in texts}
    assert len(texts) == 4
    assert len(readers) == 1


def test_an_example_reads_odd_pictures_as_the_command_does(run, exported, photos, tmp_path):
    whole = Image.open(sorted((photos / "test").rglob("*.png"))[0])
    clear = whole.convert("RGBA")
    clear.putpixel((5, 5), (0, 0, 0, 0))
    clear.paste((0, 200, 0, 0), (10, 10, 50, 50))
    clear.save(tmp_path / "clear.png")
    deep = np.asarray(whole.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png")
    files = [str(tmp_path / name) for name in ("clear.png", "deep.png")]
    example = run / "export" / "onnx" / "use.py"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", example, *files],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()[:: len(NAMES)]
    for line, prediction in zip(lines, load(run).predict(files), strict=True):
        assert line.startswith(f"{prediction.path} {prediction.label} ")
        assert float(line.split()[-1]) == pytest.approx(max(prediction.probabilities), abs=1e-4)
