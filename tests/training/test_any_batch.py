"""The training step under TensorFlow: traced once, and the same step as Keras' own."""

import keras
import numpy as np
import pytest

from tlpipe.training.any_batch import trace_once
from tlpipe.training.devices import ONE

SIZES = (8, 8, 5, 1, 8)


class Traced(keras.layers.Layer):
    """Tells ``note`` each time it is traced."""

    def __init__(self, note, **kwargs):
        super().__init__(**kwargs)
        self.note = note

    def call(self, x):
        self.note(x.shape)
        return x


def trained(once: bool, weighted: bool):
    keras.utils.set_random_seed(0)
    seen, x = [], keras.Input((6,))
    y = keras.layers.Dropout(0.5, seed=1)(keras.layers.Dense(5, activation="tanh")(x))
    model = keras.Model(x, keras.layers.Dense(3)(Traced(seen.append)(y)))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(0.01), loss)
    model.optimizer.build(model.trainable_variables)
    seen.clear()
    if once:
        trace_once(model)
    random, losses = np.random.default_rng(0), []
    for size in SIZES:
        values = random.normal(size=(size, 6)).astype("float32")
        aims = np.eye(3, dtype="float32")[random.integers(3, size=size)]
        weights = random.uniform(0.5, 2, size).astype("float32") if weighted else None
        losses.append(ONE.train(model, values, aims, weights))
    return losses, model.get_weights(), seen


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_of_every_size_train_as_with_keras_own_step_and_are_traced_once(weighted):
    losses, weights, seen = trained(once=True, weighted=weighted)
    expected_losses, expected, traced = trained(once=False, weighted=weighted)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for got, wanted in zip(weights, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
    assert [tuple(shape) for shape in seen] == [(None, 5)]
    assert len(traced) > 1
