import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from tests.dense.networks import (
    HEADS,
    PHOTOGRAPHS,
    average,
    classifier,
    one_by_one,
    padded,
    photograph,
    scores,
    unpadded,
)
from tlpipe.backbones import registry
from tlpipe.backbones.efficientnet_lite import efficientnet_lite
from tlpipe.backbones.lite_weights import load_torch_weights, verified_bundle
from tlpipe.dense.convolutions import to_convolutions
from tlpipe.errors import BackboneError

HERE = Path(__file__).parent


@pytest.mark.parametrize("head", HEADS)
def test_without_padding_the_map_is_the_36_windows(head):
    model = classifier(224, unpadded, HEADS[head])
    dense = to_convolutions(model)
    assert (dense.size, dense.stride, dense.notes) == ((224, 224), 32, ())
    for name in PHOTOGRAPHS:
        picture = photograph(name, 384)
        expected = one_by_one(model, picture, 32)
        found = scores(dense.model, picture[None])[0]
        assert found.shape == (*dense.map_size(384, 384), 5) == (6, 6, 5)
        assert expected.std(axis=(0, 1)).max() > 1e-3, "the windows should differ"
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_picture_need_not_be_square_and_each_place_names_its_window():
    model = classifier(224, unpadded, average)
    dense = to_convolutions(model)
    picture = photograph("astronaut", 500)[:300]
    height, width = dense.fit(300, 500, 300)
    assert (height, width) == (288, 480), "rounded down to a window and steps of 32 px"
    found = scores(dense.model, picture[None, :height, :width])[0]
    assert found.shape[:2] == dense.map_size(height, width) == (3, 9)
    top, left, bottom, right = dense.window(2, 7)
    assert (top, left, bottom, right) == (64, 224, 288, 448)
    alone = scores(model, picture[None, top:bottom, left:right])[0]
    np.testing.assert_allclose(found[2, 7], alone, atol=1e-5)


def test_the_weights_are_the_classifiers_own():
    model = classifier(224, unpadded, HEADS["flattened"])
    dense = to_convolutions(model).model
    shared = {id(layer) for layer in model.layers} & {id(layer) for layer in dense.layers}
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    assert len(convolutions) == 3
    assert all(id(layer) in shared for layer in convolutions)
    for name in ("fc1", "logits"):
        theirs, ours = (m.get_layer(name).get_weights() for m in (model, dense))
        np.testing.assert_array_equal(ours[0].reshape(theirs[0].shape), theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("name", ["VGG16", "MobileNet", "MobileNetV3Small"])
def test_a_whole_network_of_keras_says_the_same_at_its_own_size(name):
    keras.utils.set_random_seed(0)
    options = {"include_preprocessing": False} if "V3" in name else {}
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None, **options
    )
    dense = to_convolutions(model)
    assert dense.stride == 32
    assert any("pads with zeros" in note for note in dense.notes)
    assert any("pools the whole" in n for n in dense.notes) == (name == "MobileNetV3Small")
    picture = photograph("coffee", 64)[None] / 64.0
    expected, found = scores(model, picture), scores(dense.model, picture)
    assert found.shape == (1, 1, 1, 10)
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-5 * np.abs(expected).max())
    assert scores(dense.model, np.zeros((1, 128, 96, 3))).shape == (1, 3, 2, 10)


def test_lite0_with_imagenet_weights_nearly_agrees_with_the_36_windows():
    model = efficientnet_lite(0, include_top=True)
    load_torch_weights(model, 0, verified_bundle(registry.get("efficientnet_lite0").bundle))
    dense = to_convolutions(model)
    picture = photograph("coffee", 384)
    expected, found = one_by_one(model, picture, 32), scores(dense.model, picture[None])[0]
    assert (expected.argmax(-1) == found.argmax(-1)).mean() >= 0.8
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.8
    assert np.abs(expected - found).max() > 0.1, "padding shows: the docs say so"


def _with(head=average, body=padded, size=64):
    return classifier(size, body, head)


@keras.saving.register_keras_serializable(package="tests")
class _OddPooling(layers.Layer):
    def call(self, x):
        return keras.ops.mean(x**3, axis=(1, 2))


def _reshaped(x):
    x = padded(x)
    x = layers.Reshape((4, 4, 4, 4))(x)
    return layers.Reshape((4, 4, 16))(layers.Permute((1, 2, 4, 3))(x))


def _nested(x):
    inner = keras.Input((64, 64, 3))
    return keras.Model(inner, padded(inner), name="inner")(x)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: _with(lambda x: layers.Dense(3)(_OddPooling(name="odd")(x))), "'odd' (_OddPool"),
        (lambda: _with(body=_reshaped), "one size of picture only"),
        (lambda: _with(body=_nested), "'inner' (Functional)"),
        (
            lambda: _with(lambda x: layers.Dense(3)(layers.BatchNormalization()(_flat(x)))),
            "between Flatten and Dense",
        ),
        (lambda: _with(lambda x: x), "no classifier on a feature map"),
    ],
    ids=["pooling", "reshape", "nested", "batch_norm", "no_head"],
)
def test_what_has_no_such_form_is_refused_by_name(model, words):
    with pytest.raises(BackboneError) as refused:
        to_convolutions(model())
    assert words in str(refused.value)


def _flat(x):
    return layers.Flatten()(x)


def test_on_jax_too():
    pytest.importorskip("jax", reason="the test extra installs JAX; this environment lacks it")
    code = """
import numpy as np, keras
from networks import classifier, unpadded, average, one_by_one, photograph, scores
from tlpipe.dense.convolutions import to_convolutions
from tlpipe.dense.dilation import output_stride
assert keras.backend.backend() == "jax"
model = classifier(160, unpadded, average)
dense = to_convolutions(model)
picture = photograph("chelsea", 224)
expected = one_by_one(model, picture, 16)
fine = scores(output_stride(dense, 16).model, picture[None])[0]
np.testing.assert_allclose(fine, expected, atol=1e-4)
np.testing.assert_allclose(scores(dense.model, picture[None])[0], expected[::2, ::2], atol=1e-4)
"""
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(map(str, [HERE, HERE.parents[1]])),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
