"""Guided and deconvnet passes on every way to write a rectifier, and refused elsewhere."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tlpipe.errors import BackboneError
from tlpipe.explain.network import Explained

STYLES = {
    "argument": lambda x, conv: conv("relu")(x),
    "layer": lambda x, conv: layers.ReLU()(conv(None)(x)),
    "activation layer": lambda x, conv: layers.Activation("relu")(conv(None)(x)),
    "operation": lambda x, conv: ops.relu(conv(None)(x)),
    "relu6 argument": lambda x, conv: conv("relu6")(x),
    "relu6 layer": lambda x, conv: layers.ReLU(max_value=6)(conv(None)(x)),
    "relu6 operation": lambda x, conv: ops.relu6(conv(None)(x)),
}


def network(style, kernel):
    inputs = keras.Input((4, 4, 1))

    def conv(activation):
        return layers.Conv2D(2, 1, use_bias=False, activation=activation, name="conv")

    x = style(inputs, conv)
    model = keras.Model(inputs, layers.Dense(2, use_bias=False)(layers.Flatten()(x)))
    model.get_layer("conv").set_weights([np.reshape(kernel, (1, 1, 1, 2)).astype("float32")])
    return model


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("modifier", ["guided", "relu"])
def test_by_hand(style, modifier):
    kernel = np.array([1.0, -0.5])
    model = network(STYLES[style], kernel)
    dense = model.layers[-1].get_weights()[0][:, 1].reshape(4, 4, 2)
    picture = np.linspace(-9, 20, 16, dtype="float32").reshape(1, 4, 4, 1)
    before = picture[0] * kernel
    ceiling = 6 if "relu6" in style else np.inf
    passed = np.maximum(dense, 0)
    if modifier == "guided":
        passed = passed * ((before > 0) & (before < ceiling))
    expected = (passed * kernel).sum(-1)
    found = Explained(model, modifier).passes(picture, np.array([1])).gradients[0, ..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    plain = Explained(model).passes(picture, np.array([1])).gradients[0, ..., 0]
    assert not np.allclose(plain, found)


@pytest.mark.parametrize(
    "activation", ["swish", "gelu", "elu", "leaky_relu", "hard_swish", "softplus"]
)
def test_undefined_is_refused(activation):
    model = network(lambda x, conv: conv(activation)(x), [1.0, 1.0])
    with pytest.raises(BackboneError, match=r"'guided' is not defined for the activation"):
        Explained(model, "guided")


@pytest.mark.parametrize(
    "layer", [layers.LeakyReLU(), layers.PReLU(), layers.ELU(), layers.ReLU(negative_slope=0.1)]
)
def test_undefined_layers_are_refused(layer):
    model = network(
        lambda x, conv: type(layer).from_config(layer.get_config())(conv(None)(x)), [1, 1]
    )
    with pytest.raises(BackboneError, match="not defined"):
        Explained(model, "relu")


def test_undefined_operations_are_refused():
    model = network(lambda x, conv: ops.silu(conv(None)(x)), [1.0, 1.0])
    with pytest.raises(BackboneError, match="Silu"):
        Explained(model, "guided")


def test_a_network_without_rectifiers_is_refused():
    model = network(lambda x, conv: conv("tanh")(x), [1.0, 1.0])
    with pytest.raises(BackboneError, match="would change nothing"):
        Explained(model, "guided")


def test_gates_keep_their_gradient():
    inputs = keras.Input((4, 4, 1))
    x = layers.Conv2D(2, 1, activation="relu", name="conv")(inputs)
    gate = layers.Conv2D(2, 1, activation="sigmoid")(x)
    x = layers.Multiply()([x, gate])
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    picture = np.random.default_rng(0).normal(size=(1, 4, 4, 1)).astype("float32")
    assert np.isfinite(Explained(model, "guided").passes(picture).gradients).all()
