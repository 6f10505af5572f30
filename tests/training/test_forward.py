"""A forward pass goes by eight pictures where the CPU's cache is small, else by whole batches."""

import keras
import numpy as np
import pytest

from tests.tiny import tiny
from tlpipe.backbones.build import build
from tlpipe.training import forward as module
from tlpipe.training.fast import fast
from tlpipe.training.forward import forward


def pictures(n, size=64):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3)).astype("uint8")


def test_eight_at_a_time_a_picture_has_the_same_bits_in_batches_of_every_size(monkeypatch):
    monkeypatch.setattr(module, "last_cache", lambda: 32 << 20)
    model = build("efficientnet_lite0", size=64).model
    model.trainable = False
    middle = model.get_layer("block3a_project_bn").output
    prefix, x = fast(keras.Model(model.input, [model.output, middle])), pictures(40)
    whole = forward(prefix, x)
    assert [len(output) for output in whole] == [40, 40]
    for size in (8, 24, 32):
        parts = [forward(prefix, x[i : i + size]) for i in range(0, 40, size)]
        for output, expected in zip(zip(*parts, strict=True), whole, strict=True):
            np.testing.assert_array_equal(np.concatenate(output), expected)


@pytest.mark.parametrize(
    ("found", "cache", "calls"),
    [
        ([], 32 << 20, [8, 8, 8]),
        ([], 256 << 20, [20]),
        ([], None, [20]),
        (["gpu:0"], 32 << 20, [20]),
    ],
)
def test_a_gpu_and_a_cpu_with_a_large_cache_get_the_whole_batch(monkeypatch, found, cache, calls):
    monkeypatch.setattr(module, "gpus", lambda: found)
    monkeypatch.setattr(module, "last_cache", lambda: cache)
    model, seen = tiny(), []

    class Watched(module.OneDevice):
        def predict(self, model, values):
            seen.append(len(values))
            return super().predict(model, values)

    x = pictures(20, 32)
    (got,) = forward(model, x, Watched())
    assert seen == calls
    np.testing.assert_allclose(got, model.predict_on_batch(x), rtol=1e-4, atol=1e-5)
