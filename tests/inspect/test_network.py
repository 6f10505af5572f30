"""Backbones, run folders and files, and what can be wrong with each."""

import json

import keras
import pytest

from tlpipe.artifact.model_file import Metadata, save
from tlpipe.backbones.build import build
from tlpipe.errors import BackboneError, RunError, TlpipeError
from tlpipe.inspect.examine import examine
from tlpipe.inspect.network import open_network


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    backbone = build("efficientnet_lite0", weights="none", size=64).model
    x = keras.layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    x = keras.layers.Dense(3, name="logits")(x)
    return keras.Model(backbone.input, keras.layers.Softmax(name="probabilities")(x))


@pytest.fixture
def run(tmp_path, trained):
    def run(kept, blocks=(), batch_norm=False):
        metadata = Metadata(
            class_names=("a", "b", "c"), size=64, resize="crop", backbone="efficientnet_lite0",
            weights="none", split="0", kept=kept, seed=0, versions={},
        )  # fmt: skip
        save(trained, tmp_path / "model.keras", metadata)
        facts = tmp_path / "stages" / "unfreeze" / "facts.json"
        facts.parent.mkdir(parents=True)
        facts.write_text(json.dumps({"trained": [*blocks, "head"] if blocks else []}))
        config = f"stages:\n  unfreeze:\n    batch_norm: {str(batch_norm).lower()}\n"
        (tmp_path / "config.yaml").write_text(config)
        return tmp_path

    return run


def trains(network) -> list[str]:
    return [b.name for b in examine(network.model).blocks if b.trainable]


def test_a_run_that_kept_the_head_trained_the_head(run):
    network = open_network(str(run("head", ["block7", "top"])))
    assert trains(network) == ["head"]
    assert network.trains == "head"
    assert examine(network.model).totals["trainable"] == 1280 * 3 + 3


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_run_that_kept_the_unfrozen_model_trained_those_blocks(run, batch_norm):
    folder = run("unfrozen", ["block7", "top"], batch_norm)
    for what in (folder, folder / "model.keras"):
        network = open_network(str(what))
        assert trains(network) == ["block7", "top", "head"]
        norm = network.model.get_layer("top_bn")
        assert norm.trainable == batch_norm


def test_a_model_file_away_from_its_run_says_what_is_not_known(run, tmp_path):
    folder = run("unfrozen", ["block7", "top"])
    alone = tmp_path / "elsewhere" / "m.keras"
    alone.parent.mkdir()
    (folder / "model.keras").rename(alone)
    network = open_network(str(alone))
    assert network.trains == "not known"
    assert "not known which blocks" in network.source


def test_another_size_and_another_boundary(run):
    folder = str(run("head"))
    other = open_network(folder, size=96)
    assert examine(other.model).input_shape == (96, 96, 3)
    assert trains(other) == ["head"]
    assert trains(open_network(folder, unfreeze="top")) == ["top", "head"]


def test_a_plain_keras_file(tmp_path):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    model.save(tmp_path / "own.keras")
    network = open_network(str(tmp_path / "own.keras"), size=20)
    assert examine(network.model).layers[-1].output_shape == (18, 18, 2)
    assert network.source == "file own.keras"


@pytest.mark.parametrize(
    ("name", "classes", "parameters"),
    [
        ("efficientnet_lite0", 1000, 4_694_024),
        ("mobilenet", 1000, 4_253_864),
        ("convnext_tiny", 1000, 28_589_128),
        ("alexnet", 1000, 60_965_224),
    ],
)
def test_with_the_published_classifier(name, classes, parameters):
    found = examine(open_network(name, top=True).model)
    assert found.totals["parameters"] == parameters
    assert found.blocks[-1].name == "head"
    assert found.blocks[-1].output_shape == (classes,)


def test_a_folder_does_not_hide_a_backbone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lenet5").mkdir()
    assert open_network("lenet5").source.startswith("backbone")


@pytest.mark.parametrize(
    ("what", "options", "error", "words"),
    [
        ("resnet5", {}, BackboneError, "did you mean 'resnet50'"),
        ("runs/nowhere", {}, RunError, "no run folder and no file"),
        ("nothing.keras", {}, RunError, "no run folder and no file"),
        ("{tmp}", {}, RunError, "no model in"),
        ("{tmp}/text.keras", {}, BackboneError, "can't be read"),
        ("{tmp}/text.txt", {}, BackboneError, ".keras"),
        ("{tmp}/dense.keras", {"size": 32}, BackboneError, "can't take pictures of 32 px"),
        ("{tmp}/dense.keras", {"top": True}, BackboneError, "--top"),
        ("vgg16", {"top": True, "weights": "auto"}, BackboneError, "no weights here"),
        ("{tmp}/two.keras", {"unfreeze": "1"}, BackboneError, "several inputs or outputs"),
        ("vgg16", {"size": 64, "unfreeze": "blok3"}, BackboneError, "did you mean 'block3'"),
        ("vgg16", {"size": 8}, BackboneError, "too small"),
    ],
)
def test_what_can_t_be_opened_is_said(tmp_path, what, options, error, words):
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "text.txt").write_text("no model")
    image = keras.Input((16, 16, 1))
    dense = keras.layers.Dense(2)(keras.layers.Flatten()(image))
    keras.Model(image, dense).save(tmp_path / "dense.keras")
    keras.Model(image, [dense, image]).save(tmp_path / "two.keras")
    with pytest.raises(error) as caught:
        open_network(what.format(tmp=tmp_path), **options)
    assert words in str(caught.value)
    assert isinstance(caught.value, TlpipeError)


def test_a_lambda_in_a_file_is_refused(tmp_path):
    image = keras.Input((4, 4, 1))
    keras.Model(image, keras.layers.Lambda(lambda x: x)(image)).save(tmp_path / "odd.keras")
    with pytest.raises(BackboneError, match="Lambda"):
        open_network(str(tmp_path / "odd.keras"))
