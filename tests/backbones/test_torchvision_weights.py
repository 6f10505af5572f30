import base64
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.backbones.lite_pictures import photographs
from tests.backbones.test_torch_file import state, tensor, write_zip
from tests.backbones.torchvision_states import random_state
from tlpipe.backbones.blocks import find_blocks
from tlpipe.backbones.build import build
from tlpipe.errors import BackboneError

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "torchvision_features.json").read_text()
)
SIZE = REFERENCE["size"]
NETWORKS = REFERENCE["networks"]


def write(path: Path, values: dict[str, np.ndarray]) -> Path:
    """A ``.pth`` file as torch.save writes it."""
    entries, storages = {}, {}
    for number, (name, value) in enumerate(values.items()):
        key = str(number)
        strides = tuple(s // value.itemsize for s in value.strides)
        kind = "LongStorage" if value.dtype.kind == "i" else "FloatStorage"
        entries[name] = tensor(value.shape, strides, key=key, kind=kind, length=value.size)
        storages[key] = value
    return write_zip(path, state(**entries), storages)


def run(model: keras.Model) -> np.ndarray:
    """The numbers that the reference kept, of the same picture."""
    pixels = photographs(SIZE)["chelsea.png"][None]
    features = keras.ops.convert_to_numpy(model(pixels, training=False))[0]
    return features.ravel()[:: REFERENCE["every"]]


@pytest.fixture(scope="module")
def file_of(tmp_path_factory):
    """network -> the file with its random weights, written once."""
    folder = tmp_path_factory.mktemp("torchvision")

    def made(name):
        path = folder / f"{name}.pth"
        if not path.exists():
            write(path, random_state(NETWORKS[name]["entries"]))
        return path

    return made


@pytest.mark.parametrize("name", NETWORKS)
def test_features_are_those_of_torchvision(name, file_of):
    found = build(name, weights=file_of(name), size=SIZE)
    expected = np.frombuffer(base64.b64decode(NETWORKS[name]["features"]), "<f4")
    assert list(found.model.output.shape[1:]) == NETWORKS[name]["shape"]
    assert len(expected) > 50
    assert np.abs(run(found.model) - expected).max() < 2e-5 * expected.std()
    assert found.weights == f"torchvision file {name}.pth, its classifier left out"
    assert found.spec.preprocessing == "torch"
    assert len(found.weights_sha256) == 64


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_and_blocks_keep_their_names(name, file_of):
    usual = build(name, weights="none", size=SIZE).model
    twin = build(name, weights=file_of(name), size=SIZE).model
    blocks = [(b.name, b.output_shape, b.parameters) for b in find_blocks(twin)]
    assert blocks == [(b.name, b.output_shape, b.parameters) for b in find_blocks(usual)]
    assert {layer.name for layer in usual.layers} <= {layer.name for layer in twin.layers}


@pytest.mark.parametrize(
    ("size", "policy"), [(64, "float32"), (75, "mixed_bfloat16")], ids=["even", "odd"]
)
def test_it_builds_at_other_sizes_and_precisions(size, policy, file_of):
    found = build("mobilenetv2", weights=file_of("mobilenetv2"), size=size, dtype_policy=policy)
    usual = build("mobilenetv2", weights="none", size=size)
    assert found.model.output.shape == usual.model.output.shape
    assert found.model.output.dtype == policy.removeprefix("mixed_")


def test_a_saved_twin_comes_back(file_of, tmp_path):
    model = build("mobilenetv2", weights=file_of("mobilenetv2"), size=SIZE).model
    model.save(tmp_path / "twin.keras")
    loaded = keras.saving.load_model(tmp_path / "twin.keras")
    np.testing.assert_array_equal(run(loaded), run(model))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("layer3.2.conv2.weight"), r"lacks 'layer3\.2\.conv2\.weight'"),
        (lambda s: s.update({"layer5.0.conv1.weight": np.zeros(3, "<f4")}), "'layer5.0.conv1"),
        (
            lambda s: s.update({"layer1.0.bn1.weight": np.zeros(65, "<f4")}),
            r"(?s)layer 'conv2_block1_1_bn' of resnet50.*expected shape \(64,\), found \(65,\)"
            r" in its entry 'layer1\.0\.bn1\.weight'",
        ),
        (lambda s: [s.pop(k) for k in ("fc.weight", "fc.bias")], None),
    ],
    ids=["missing", "left over", "shape", "no classifier"],
)
def test_every_entry_has_its_place(change, message, tmp_path):
    values = random_state(NETWORKS["resnet50"]["entries"])
    change(values)
    path = write(tmp_path / "x.pth", values)
    if message is None:
        assert np.isfinite(run(build("resnet50", weights=path, size=SIZE).model)).all()
        return
    with pytest.raises(BackboneError, match=message):
        build("resnet50", weights=path, size=SIZE)


def test_a_file_of_another_network_is_refused(file_of):
    with pytest.raises(BackboneError, match=r"fit vgg19: it lacks 'features\.16\.bias'"):
        build("vgg19", weights=file_of("vgg16"), size=SIZE)
