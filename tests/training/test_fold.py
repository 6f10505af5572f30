import keras
import numpy as np
import pytest

from tlpipe.backbones.build import build
from tlpipe.training.fold import fold_batch_norm


def spread(model, seed=0):
    """Gives every BatchNorm statistics of its own, as a trained network has."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            values = [random.uniform(0.7, 1.3, w.shape) for w in layer.weights]
            layer.set_weights(values)
    return model


@pytest.mark.parametrize(
    ("name", "size"),
    [("efficientnet_lite0", 64), ("resnet50", 64), ("densenet121", 64), ("mobilenetv2", 96)],
)
def test_the_folded_network_computes_the_same(name, size):
    model = spread(build(name, weights="none", size=size).model)
    kept = [w.numpy() if hasattr(w, "numpy") else np.asarray(w) for w in model.weights]
    folded = fold_batch_norm(model)
    x = np.random.default_rng(1).integers(0, 256, (2, size, size, 3)).astype("uint8")
    expected, got = model.predict_on_batch(x), folded.predict_on_batch(x)
    assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()
    for before, weight in zip(kept, model.weights, strict=True):
        np.testing.assert_array_equal(before, np.asarray(weight))


def test_every_norm_of_lite0_is_folded_and_those_of_densenet_that_stand_alone_are_not():
    def norms(model):
        return sum(isinstance(la, keras.layers.BatchNormalization) for la in model.layers)

    assert norms(fold_batch_norm(build("efficientnet_lite0", weights="none", size=64).model)) == 0
    dense = build("densenet121", weights="none", size=64).model
    # In DenseNet a norm in front of a block reads a concatenation, which can't take it in.
    assert 0 < norms(fold_batch_norm(dense)) < norms(dense)


def test_a_norm_that_shares_its_convolution_stays():
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(4, 3)(x)
    model = spread(keras.Model(x, keras.layers.Add()([keras.layers.BatchNormalization()(y), y])))
    folded = fold_batch_norm(model)
    values = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(
        folded.predict_on_batch(values), model.predict_on_batch(values), rtol=1e-5, atol=1e-5
    )
    assert any(isinstance(la, keras.layers.BatchNormalization) for la in folded.layers)
