"""Exports that must not come into being, and what is said of them."""

import keras
import numpy as np
import pytest
from rich.console import Console

from tests.export.runs import make_run, network
from tlpipe.config.settings import Export
from tlpipe.errors import ConfigError, ExportError
from tlpipe.export import keras_file
from tlpipe.export.variants import Variant, dropped, variants
from tlpipe.stages import export as stage
from tlpipe.stages.export import export_run

QUIET = Console(quiet=True)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@keras.saving.register_keras_serializable(package="tests")
class AlwaysDrops(keras.layers.Dropout):
    """Drops out also when nothing is trained."""

    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


@pytest.mark.parametrize(
    ("layer", "format", "words"),
    [
        # Keras' own layers augment in an exported SavedModel, though not in `predict`.
        (lambda: keras.layers.RandomFlip(seed=1), "savedmodel", "asked twice"),
        (lambda: AlwaysDrops(0.5, seed=1), "savedmodel", "asked twice"),
        (lambda: AlwaysDrops(0.5, seed=1), "litert", "asked twice|can't be exported"),
    ],
)
def test_an_export_that_answers_differently_each_time_is_refused(
    photos, tmp_path, layer, format, words
):
    run = make_run(tmp_path / "run", photos, network(layer()))
    with pytest.raises(ExportError, match=words):
        export_run(run, QUIET, Export(formats=(format,), pictures=9))
    assert left_in(run / "export") == []


@pytest.fixture
def own(run, tmp_path):
    """Exports of the shared run in a folder of the test's own."""
    return lambda **settings: export_run(run, QUIET, Export(**settings), out=tmp_path / "out")


def test_a_small_disagreement_is_refused_and_the_older_export_stays(own, tmp_path, monkeypatch):
    own(formats=("keras",), pictures=5)
    before = (tmp_path / "out" / "keras" / "check.json").read_bytes()
    write = keras_file.write

    def write_another(original, *arguments):
        write(original, *arguments)
        model, metadata = keras_file.load(arguments[0] / keras_file.MODEL)
        kernel, bias = model.get_layer("logits").get_weights()
        model.get_layer("logits").set_weights([kernel, bias + np.float32([3e-3, 0, 0])])
        keras_file.save(model, arguments[0] / keras_file.MODEL, metadata)

    monkeypatch.setattr(keras_file, "write", write_another)
    with pytest.raises(ExportError, match="disagrees with the model"):
        own(formats=("keras",), pictures=27)
    assert left_in(tmp_path / "out") == ["keras"]
    assert (tmp_path / "out" / "keras" / "check.json").read_bytes() == before
    own(formats=("keras",), pictures=27, difference=0.1)


def test_int8_with_wrong_ranges_is_refused_and_the_others_are_written(own, tmp_path, monkeypatch):
    read = stage._read

    def black(run, classifier, manifest, rows, label):
        return read(run, classifier, manifest, rows, label) * ("training" not in label)

    monkeypatch.setattr(stage, "_read", black)
    # Left to itself it notices, and leaves all layers in float32.
    monkeypatch.setattr("tlpipe.export.int8._ruined", lambda layers: [])
    with pytest.raises(ExportError, match="is worse than the model"):
        own(formats=("litert", "keras"), quantize=("int8",))
    assert left_in(tmp_path / "out") == ["keras"]


def test_a_number_that_is_none_is_refused(own, tmp_path, monkeypatch):
    def opened(folder):
        return lambda pictures: np.full((len(pictures), 3), np.nan, "float32")

    monkeypatch.setattr(keras_file, "opened", opened)
    with pytest.raises(ExportError):
        own(formats=("keras",), pictures=5)
    assert left_in(tmp_path / "out") == []


def test_what_no_export_wrote_is_not_replaced(own, tmp_path):
    mine = tmp_path / "out" / "keras" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(ConfigError, match="is in the way"):
        own(formats=("keras",))
    assert mine.read_text() == "mine"


def test_ways_go_to_the_formats_that_have_them():
    names = [v.name for v in variants(["onnx", "litert", "keras"], ["int8", "dynamic"])]
    assert names == ["onnx", "litert-int8", "litert-dynamic", "keras"]
    both = variants(["litert"], ["none", "int8"])
    assert both == [Variant("litert"), Variant("litert", "int8")]
    with pytest.raises(ConfigError, match="There is no format 'onx'"):
        variants(["onx"])
    with pytest.raises(ConfigError, match="'float16' is not for litert"):
        variants(["litert"], ["float16"])
    with pytest.raises(ConfigError, match="no way to quantize 'int4'"):
        variants(["litert"], ["int4"])
    said = dropped(["onnx", "litert"], ["none", "int8"])
    assert said == ["onnx has no int8: it is written as it is"]


def test_what_is_not_installed_is_named_with_its_extra(own, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tlpipe.export.variants.find_spec", lambda name: None if name == "tf2onnx" else name
    )
    with pytest.raises(ConfigError) as refused:
        own(formats=("keras", "onnx"))
    assert "needed to write this: tf2onnx" in str(refused.value)
    assert "tlpipe[onnx]" in refused.value.todo
    assert left_in(tmp_path / "out") == [], "known before anything was written"


def test_under_jax_the_other_backend_is_named(own, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ConfigError) as refused:
        own(formats=("litert",))
    assert "KERAS_BACKEND=jax" in refused.value.what
    assert "KERAS_BACKEND=tensorflow" in refused.value.todo
