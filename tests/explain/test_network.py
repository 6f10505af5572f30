"""Every kind of user's model is explained alike: nested, Sequential, mixed precision, softmax."""

import keras
import numpy as np
import pytest

from tests.explain.conftest import SIDE
from tlpipe.backbones.flatten import flatten
from tlpipe.errors import BackboneError
from tlpipe.explain.cam import grad_cam
from tlpipe.explain.network import Explained, last_map
from tlpipe.explain.saliency import saliency


def pair(model, photographs):
    found = Explained(model).passes(photographs, np.array([0, 1, 2, 3]))
    return grad_cam(found), saliency(found), found.logits


@pytest.fixture(scope="module")
def nested(tiny):
    backbone = keras.Model(tiny.input, tiny.layers[-3].output)
    x = keras.layers.GlobalAveragePooling2D()(backbone(backbone.input))
    dense = keras.layers.Dense(5, activation="softmax")
    model = keras.Model(backbone.input, dense(x))
    dense.set_weights(tiny.layers[-1].get_weights())
    return model


@pytest.fixture(scope="module")
def sequential(tiny):
    backbone = keras.Model(tiny.input, tiny.layers[-3].output)
    dense = keras.layers.Dense(5)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            backbone,
            keras.layers.GlobalAveragePooling2D(),
            dense,
            keras.layers.Softmax(),
        ]
    )
    dense.set_weights(tiny.layers[-1].get_weights())
    return model


@pytest.mark.parametrize("kind", ["nested", "sequential"])
def test_shape_makes_no_difference(kind, request, tiny, photographs):
    model = request.getfixturevalue(kind)
    for ours, expected in zip(pair(model, photographs), pair(tiny, photographs), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_precision_makes_no_difference(policy, tiny, photographs):
    model = flatten(tiny, change=lambda layer, config: {**config, "dtype": policy})
    assert model.get_layer("logits").compute_dtype == policy.removeprefix("mixed_")
    for ours, expected in zip(pair(model, photographs), pair(tiny, photographs), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())


def test_a_network_without_maps_is_refused():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    with pytest.raises(BackboneError, match="no feature map"):
        Explained(model)


def test_the_last_map_stands_behind_norm_and_activation(tiny):
    tensor = last_map(tiny)
    assert tensor._keras_history.operation.name == tiny.layers[-3].name


def test_any_number_of_pictures(tiny, photographs):
    network = Explained(tiny)
    many = np.concatenate([photographs] * 9)
    assert network.logits(many).shape == (36, 5)
    np.testing.assert_array_equal(network.logits(many)[32:], network.logits(photographs))
    assert network.maps(many).shape[0] == 36
