import inspect
import subprocess
import sys

import keras
import pytest

from tlpipe.backbones import catalogue, keras_weights, registry
from tlpipe.errors import BackboneError


def test_every_constructor_of_keras_applications_is_there():
    theirs = {
        name
        for name, member in inspect.getmembers(keras.applications, inspect.isfunction)
        if name[0].isupper()
    }
    specs = [registry.get(name) for name in registry.names()]
    assert {spec.builder for spec in specs if spec.kind == "application"} == theirs
    assert {spec.builder for spec in specs if spec.kind == "lite"} == set(range(5))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ResNet50", "resnet50"),
        ("efficientnet_b0", "efficientnetb0"),
        ("EfficientNet-Lite0", "efficientnet_lite0"),
        ("MobileNetV3Small", "mobilenetv3_small"),
        ("inception_v3", "inceptionv3"),
        ("ConvNeXt Tiny", "convnext_tiny"),
        ("efficientnetv2-b0", "efficientnetv2b0"),
    ],
)
def test_case_and_separators_do_not_matter(typed, name):
    assert registry.get(typed).name == name


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(BackboneError, match="did you mean 'resnet50'"):
        registry.get("resnt50")


def test_names_need_no_keras():
    code = (
        "import sys\nfrom tlpipe.backbones import registry\nregistry.names()\n"
        "assert not {'keras', 'numpy', 'tensorflow', 'jax'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_list_says_which_weights_are_at_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    before = {row["name"]: row["weights"] for row in catalogue.rows()}
    assert list(before) == registry.names()
    assert before["efficientnet_lite0"] == "bundled"
    assert before["resnet50"] == "no"
    keras_weights.cache_folder().mkdir()
    (keras_weights.cache_folder() / registry.get("resnet50").weights_file(224)).touch()
    after = {row["name"]: row["weights"] for row in catalogue.rows()}
    assert {name for name in after if after[name] != before[name]} == {"resnet50"}


def test_describe_counts_every_parameter_once():
    found = catalogue.describe("mobilenetv3_small")
    assert found["parameters"] == 939120
    assert sum(block["parameters"] for block in found["blocks"]) == found["parameters"]
    assert found["features"] == found["blocks"][-1]["output_shape"] == (7, 7, 576)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "vgg16", "mobilenetv2", "resnet50"])
def test_the_listed_parameters_and_blocks_are_those_of_the_network(name):
    row = next(row for row in catalogue.rows() if row["name"] == name)
    assert {key: row[key] for key in ("parameters", "blocks")} == catalogue.facts_of(name)


def test_every_backbone_is_listed():
    assert [row["name"] for row in catalogue.rows()] == registry.names()
