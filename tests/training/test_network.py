"""The head behind the backbone: as it always was by default, and as its settings say."""

import keras
import numpy as np
import pytest

from tlpipe.backbones.build import build
from tlpipe.config.settings import Head
from tlpipe.errors import BackboneError
from tlpipe.training.network import add_head, cut, head_boundary


@pytest.fixture(scope="module")
def backbone():
    return build("efficientnet_lite0", size=64).model


def arrays(model):
    return [keras.ops.convert_to_numpy(w) for w in model.weights]


@pytest.mark.parametrize("seed", [0, 7])
def test_the_default_head_is_that_of_keras_layers_made_by_hand(backbone, seed):
    got = add_head(backbone, 3, Head(), seed=seed)
    x = keras.layers.GlobalAveragePooling2D(name="pool", dtype="float32")(backbone.output)
    x = keras.layers.Dropout(0.2, seed=seed, name="dropout", dtype="float32")(x)
    glorot = keras.initializers.GlorotUniform(seed=seed)
    x = keras.layers.Dense(3, name="logits", dtype="float32", kernel_initializer=glorot)(x)
    by_hand = keras.Model(backbone.input, x, name="tlpipe")
    assert [la.name for la in got.layers] == [la.name for la in by_hand.layers]
    assert [la.get_config() for la in got.layers] == [la.get_config() for la in by_hand.layers]
    for ours, theirs in zip(arrays(got), arrays(by_hand), strict=True):
        assert np.array_equal(ours, theirs)
    # Dropout draws the same.
    suffixes = [keras.Model(m.get_layer("pool").output, m.output) for m in (got, by_hand)]
    values = np.ones((8, 1280), "float32")
    ours, theirs = (keras.ops.convert_to_numpy(s(values, training=True)) for s in suffixes)
    assert np.array_equal(ours, theirs)


def test_hidden_layers_stand_between_pooling_and_logits(backbone):
    whole = add_head(backbone, 3, Head(pool="both", hidden=(32, 16), dropout=0.4), seed=0)
    names = [la.name for la in whole.layers[len(backbone.layers) :]]
    assert names == [
        "pool_average", "pool_max", "pool",
        "hidden1_dropout", "hidden1", "hidden2_dropout", "hidden2", "dropout", "logits",
    ]  # fmt: skip
    own = (2560 * 32 + 32) + (32 * 16 + 16) + (16 * 3 + 3)
    assert whole.count_params() == backbone.count_params() + own
    hidden = whole.get_layer("hidden1")
    assert hidden.activation is keras.activations.relu
    assert {whole.get_layer(f"{n}dropout").rate for n in ("", "hidden1_", "hidden2_")} == {0.4}
    kernels = [whole.get_layer(n).kernel for n in ("hidden2", "logits")]
    assert not np.array_equal(*(np.ravel(k)[:40] for k in kernels))


def test_the_head_stays_float32_behind_a_half_precision_backbone():
    half = build("efficientnet_lite0", weights="none", size=64, dtype_policy="mixed_bfloat16")
    whole = add_head(half.model, 3, Head(pool="netvlad", hidden=(8,)), seed=0)
    for layer in whole.layers[len(half.model.layers) :]:
        assert layer.compute_dtype == "float32", layer.name
    assert half.model.output.dtype == "bfloat16"
    assert whole.output.dtype == "float32"


def test_penalties_are_what_they_say_and_part_of_the_training_loss(backbone):
    def first_loss(**penalties):
        settings = Head(hidden=(8,), dropout=0, **penalties)
        whole = add_head(backbone, 3, settings, seed=0)
        suffix = cut(whole, head_boundary(whole)).suffix
        suffix.compile(
            keras.optimizers.SGD(0.0), keras.losses.CategoricalCrossentropy(from_logits=True)
        )
        values = np.random.default_rng(0).random((4, 1280)).astype("float32")
        labels = np.eye(3, dtype="float32")[[0, 1, 2, 0]]
        kernels = [np.asarray(whole.get_layer(n).kernel) for n in ("hidden1", "logits")]
        return float(suffix.train_on_batch(values, labels)), kernels

    plain, kernels = first_loss()
    expected = sum(0.01 * np.abs(k).sum() + 0.02 * (k**2).sum() for k in kernels)
    assert first_loss(l1=0.01, l2=0.02)[0] - plain == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "in_front"),
    [("avg", False), ("max", False), ("both", False), ("l2", False), ("spp", False),
     ("gem", True), ("netvlad", True)],
)  # fmt: skip
def test_step_two_reads_the_map_where_pooling_learns_and_the_vector_else(backbone, kind, in_front):
    whole = add_head(backbone, 3, Head(pool=kind, levels=(1, 2), hidden=(4,)), seed=0)
    parts = cut(whole, head_boundary(whole))
    assert (parts.prefix.output is backbone.output) == in_front
    trained = {w.path for w in parts.suffix.trainable_weights}
    assert trained == {w.path for w in whole.trainable_weights}
    assert {w.path for w in whole.weights} - {w.path for w in backbone.weights} == trained


def test_a_layer_on_both_sides_of_the_boundary_is_refused():
    image = keras.Input((32, 32, 3))
    twice = keras.layers.Conv2D(3, 3, 2, padding="same", name="twice")
    first = twice(image)
    middle = keras.layers.ReLU()(first)
    whole = keras.Model(image, keras.layers.Flatten()(twice(middle)))
    with pytest.raises(BackboneError, match=r"(?s)'twice' is used on both sides.*--unfreeze all"):
        cut(whole, middle)
    again = keras.Model(image, keras.layers.Flatten()(twice(first)))
    with pytest.raises(BackboneError, match=r"(?s)can't be cut.*--unfreeze all"):
        cut(again, first)
    assert cut(whole, whole.input).suffix.count_params() == 84
