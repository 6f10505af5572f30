"""The stages of a run share one backbone, and each of them finds it as it was built."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from tlpipe.backbones.build import build
from tlpipe.backbones.reuse import build_or_reuse
from tlpipe.config.settings import Head
from tlpipe.training.network import add_head, cut, head_boundary

HOW = {"weights": "none", "size": 64, "seed": 3}


def values(model):
    return [keras.ops.convert_to_numpy(variable) for variable in model.variables]


def spoil(model):
    """What training does to it, and more."""
    whole = add_head(model, 3, Head(dropout=0.2), seed=0)
    cut(whole, head_boundary(whole))
    for variable in model.variables:
        variable.assign(keras.ops.ones_like(variable))
    return whole


def test_what_a_use_changed_is_put_back():
    fresh = build("efficientnet_lite0", **HOW)
    first = build_or_reuse("efficientnet_lite0", **HOW)
    spoil(first.model)
    assert not any(layer.trainable for layer in first.model.layers if layer.weights)
    again = build_or_reuse("efficientnet_lite0", **HOW)
    assert again.model is first.model
    assert [la.trainable for la in again.model.layers] == [
        la.trainable for la in fresh.model.layers
    ]
    assert [len(v) for v in (again.model.trainable_variables, again.model.variables)] == [
        len(v) for v in (fresh.model.trainable_variables, fresh.model.variables)
    ]
    for got, expected in zip(values(again.model), values(fresh.model), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_network_made_of_it_later_computes_and_loads_as_one_of_a_fresh_backbone(tmp_path):
    spoil(build_or_reuse("efficientnet_lite0", **HOW).model)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    found = []
    for make in (build, build_or_reuse):
        whole = add_head(make("efficientnet_lite0", **HOW).model, 3, Head(dropout=0), seed=0)
        whole.save(tmp_path / "whole.keras")
        loaded = keras.models.load_model(tmp_path / "whole.keras")
        found += [whole.predict_on_batch(pictures), loaded.predict_on_batch(pictures)]
        assert [la.name for la in loaded.layers] == [la.name for la in whole.layers]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_the_head_of_an_earlier_use_is_freed():
    head = weakref.ref(spoil(build_or_reuse("efficientnet_lite0", **HOW).model).layers[-1])
    build_or_reuse("efficientnet_lite0", **HOW)
    gc.collect()
    assert head() is None


@pytest.mark.parametrize("other", [{"seed": 4}, {"size": 96}, {"dtype_policy": "mixed_bfloat16"}])
def test_another_one_is_built(other):
    first = build_or_reuse("efficientnet_lite0", **HOW).model
    second = build_or_reuse("efficientnet_lite0", **HOW | other).model
    assert second is not first


def test_another_thread_gets_its_own():
    mine = build_or_reuse("efficientnet_lite0", **HOW).model
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(build_or_reuse, "efficientnet_lite0", **HOW).result().model
    assert theirs is not mine
