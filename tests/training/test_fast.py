import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tlpipe.backbones.blocks import boundary
from tlpipe.backbones.build import build
from tlpipe.config.settings import Head
from tlpipe.training.fast import Convolution, fast
from tlpipe.training.network import add_head, cut


def spread(model, seed=0):
    """Gives every BatchNorm statistics of its own, as a trained network has."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            values = [random.uniform(0.7, 1.3, w.shape) for w in layer.weights]
            layer.set_weights(values)
    return model


def frozen(model):
    model.trainable = False
    return model


@pytest.mark.parametrize(
    ("name", "size"),
    [("efficientnet_lite0", 64), ("resnet50", 64), ("densenet121", 64), ("mobilenetv2", 96)],
)
def test_the_folded_network_computes_the_same(name, size):
    model = frozen(spread(build(name, weights="none", size=size).model))
    kept = [keras.ops.convert_to_numpy(w).copy() for w in model.weights]
    x = np.random.default_rng(1).integers(0, 256, (2, size, size, 3)).astype("uint8")
    expected, got = model.predict_on_batch(x), fast(model).predict_on_batch(x)
    assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()
    held = fast(model, hold=True).predict_on_batch(x)
    assert np.abs(held - expected).max() <= 1e-4 * np.abs(expected).max()
    for before, weight in zip(kept, model.weights, strict=True):
        np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(weight))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_training_step_is_the_same_and_moves_the_same_variables(policy):
    def step(make):
        keras.utils.set_random_seed(0)
        backbone = spread(
            build("efficientnet_lite0", weights="none", size=64, dtype_policy=policy).model
        )
        whole = add_head(backbone, 3, Head(dropout=0.0), seed=0)
        parts = cut(whole, boundary(backbone, 2).tensor)
        suffix = make(parts.suffix)
        suffix.compile(
            keras.optimizers.SGD(0.1), keras.losses.CategoricalCrossentropy(from_logits=True)
        )
        values = np.random.default_rng(0).normal(size=(8, *suffix.input_shape[1:]))
        before = [keras.ops.convert_to_numpy(w).copy() for w in parts.suffix.weights]
        suffix.train_on_batch(
            values.astype("float32"), np.eye(3, dtype="float32")[[0, 1, 2, 0] * 2]
        )
        return [
            keras.ops.convert_to_numpy(w) - b
            for w, b in zip(parts.suffix.weights, before, strict=True)
        ]

    plain, folded = step(lambda model: model), step(fast)
    moved = [np.any(change) for change in plain]
    assert any(moved)
    assert [np.any(change) for change in folded] == moved
    close = 1e-3 if policy == "float32" else 0.1
    for a, b in zip(plain, folded, strict=True):
        assert np.linalg.norm(a - b) <= close * np.linalg.norm(a) + 1e-8


@pytest.mark.parametrize("batch_norm", [False, True])
def test_in_half_precision_strided_depthwise_convolutions_train_in_float32(batch_norm):
    model = build("efficientnet_lite0", weights="none", size=64, dtype_policy="mixed_bfloat16")
    parts = cut(model.model, boundary(model.model, 3).tensor, batch_norm=batch_norm)

    def full(part):
        return [
            layer.name
            for layer in fast(part).layers
            if isinstance(layer, Convolution) and layer.compute_dtype == "float32"
        ]

    assert full(parts.prefix) == []
    assert full(parts.suffix) == ["block6a_depthwise_conv"]


def test_every_norm_of_lite0_is_folded_and_those_of_densenet_that_stand_alone_are_not():
    def norms(model):
        return sum(isinstance(la, keras.layers.BatchNormalization) for la in model.layers)

    lite = frozen(build("efficientnet_lite0", weights="none", size=64).model)
    assert norms(fast(lite)) == 0
    dense = frozen(build("densenet121", weights="none", size=64).model)
    # In DenseNet a norm in front of a block reads a concatenation, which can't take it in.
    assert 0 < norms(fast(dense)) < norms(dense)


def test_a_norm_that_learns_stays():
    model = build("efficientnet_lite0", weights="none", size=64).model
    assert any(isinstance(la, keras.layers.BatchNormalization) for la in fast(model).layers)


def test_a_norm_that_shares_its_convolution_stays():
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(4, 3)(x)
    both = keras.layers.Add()([keras.layers.BatchNormalization()(y), y])
    model = frozen(spread(keras.Model(x, both)))
    folded = fast(model)
    values = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(
        folded.predict_on_batch(values), model.predict_on_batch(values), rtol=1e-5, atol=1e-5
    )
    assert any(isinstance(la, keras.layers.BatchNormalization) for la in folded.layers)


SHIFTS = """
import keras, numpy as np
from tlpipe.training.fast import Convolution, fast
for side in (7, 8):
    for stride in (1, 2):
        for padding in ("same", "valid"):
            for k in (3, 5):
                x = keras.Input((side, side + 1, 4))
                layer = keras.layers.DepthwiseConv2D(k, stride, padding, bias_initializer="uniform")
                model = keras.Model(x, layer(x))
                model.trainable = False
                quick = fast(model)
                assert isinstance(quick.layers[1], Convolution) and quick.layers[1].shifted
                values = np.random.default_rng(0).normal(size=(2, side, side + 1, 4))
                a, b = (m.predict_on_batch(values) for m in (model, quick))
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
"""


def test_on_jax_without_a_gpu_a_depthwise_convolution_is_a_sum_of_shifts():
    pytest.importorskip("jax", reason="the test extra installs JAX; this environment lacks it")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", SHIFTS], check=True, env=environment)


@pytest.mark.parametrize(("side", "size"), [(7, 5), (4, 3), (10, 3)])
def test_the_quick_gradient_is_the_gradient(side, size):
    def change(make):
        x = keras.Input((side, side, 6))
        start = keras.initializers.RandomNormal(seed=1)
        layers = [
            keras.layers.DepthwiseConv2D(size, padding="same", depthwise_initializer=start)
            for _ in range(2)
        ]
        y = keras.layers.BatchNormalization(trainable=False)(layers[1](layers[0](x)))
        model = make(keras.Model(x, y))
        model.compile(keras.optimizers.SGD(1.0), "mse")
        random = np.random.default_rng(0)
        values, wanted = random.normal(size=(2, 5, side, side, 6)).astype("float32")
        before = [keras.ops.convert_to_numpy(layer.kernel).copy() for layer in layers]
        model.train_on_batch(values, wanted)
        after = [keras.ops.convert_to_numpy(layer.kernel) for layer in layers]
        return [b - a for a, b in zip(before, after, strict=True)]

    # The second reads the first, so its gradient has to pass through as well.
    for plain, quick in zip(change(lambda model: model), change(fast), strict=True):
        assert np.abs(plain).max() > 1e-4
        np.testing.assert_allclose(quick, plain, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("hold", [False, True])
def test_what_trains_is_read_anew_behind_a_frozen_norm_too(hold):
    x = keras.Input((8, 8, 3))
    frozen_part = keras.layers.Conv2D(4, 3, trainable=False)(x)
    trained = keras.layers.Conv2D(4, 3)
    y = keras.layers.BatchNormalization(trainable=False)(trained(frozen_part))
    model = spread(keras.Model(x, y))
    quick = fast(model, hold=hold)
    values = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    before = quick.predict_on_batch(values)
    trained.kernel.assign(trained.kernel * 2)
    after = quick.predict_on_batch(values)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, model.predict_on_batch(values), rtol=1e-4, atol=1e-5)
