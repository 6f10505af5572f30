"""Counting against the literature, and what can't be counted."""

import json

import keras
import numpy as np
import pytest

from tlpipe.errors import BackboneError
from tlpipe.inspect.examine import examine
from tlpipe.inspect.network import open_network

ROW = {
    "name", "kind", "output_shape", "parameters", "kernel_weights", "trainable", "multiply_adds",
    "activations", "activation_bytes", "kept_bytes", "field", "whole", "jump", "centre",
    "unknown_from",
}  # fmt: skip


@pytest.fixture(scope="module")
def vgg16():
    return examine(open_network("vgg16", top=True).model)


def row(found, name):
    return next(r for r in found.layers if r.name == name)


def small(side: int, padding: str) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((side, side, 1)),
            keras.layers.Conv2D(10, 5, padding=padding, name="conv"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.Flatten(),
            keras.layers.Dense(200, name="dense"),
        ]
    )


def test_vgg16_line_by_line(vgg16):
    """The table of Stanford's CS231n notes; its weights are counted without biases."""
    weights = [
        1_728, 36_864, 73_728, 147_456, 294_912, 589_824, 589_824, 1_179_648, 2_359_296, 2_359_296,
        2_359_296, 2_359_296, 2_359_296, 102_760_448, 16_777_216, 4_096_000,
    ]  # fmt: skip
    heavy = [r for r in vgg16.layers if r.kernel_weights]
    assert [r.kernel_weights for r in heavy] == weights
    assert row(vgg16, "fc1").parameters == 102_764_544
    made = {
        "block1_conv1": 3_211_264, "block1_conv2": 3_211_264, "block1_pool": 802_816,
        "block2_conv1": 1_605_632, "block2_pool": 401_408, "block3_conv1": 802_816,
        "block3_pool": 200_704, "block4_conv3": 401_408, "block4_pool": 100_352,
        "block5_conv3": 100_352, "block5_pool": 25_088, "fc1": 4_096, "predictions": 1_000,
    }  # fmt: skip
    assert {name: row(vgg16, name).activations for name in made} == made
    assert vgg16.layers[0].activations == 150_528


def test_vgg16_in_all(vgg16):
    totals = vgg16.totals
    assert totals["parameters"] == 138_357_544
    assert totals["activations"] == 15_237_608, "the lines' own sum: 15.24 M"
    assert totals["activation_bytes"] == 4 * 15_237_608, "61 MB"
    assert totals["multiply_adds"] == 15_470_264_320
    assert [b.name for b in vgg16.blocks] == [*(f"block{i}" for i in range(1, 6)), "head"]
    assert vgg16.blocks[-1].parameters == 102_764_544 + 16_781_312 + 4_097_000
    for key in ("parameters", "activations", "multiply_adds", "kept_bytes"):
        assert sum(getattr(b, key) for b in vgg16.blocks) == totals[key]
        assert sum(getattr(r, key) for r in vgg16.layers) == totals[key]
    assert not vgg16.notes


def test_behind_flatten_everything_is_seen(vgg16):
    assert row(vgg16, "block5_pool").field == (212, 212)
    assert not row(vgg16, "block5_pool").whole
    assert row(vgg16, "fc1").field is None
    assert row(vgg16, "fc1").whole


@pytest.mark.parametrize(("side", "padding"), [(30, "valid"), (26, "same")])
def test_the_small_network(side, padding):
    found = examine(small(side, padding))
    assert row(found, "pool").output_shape == (13, 13, 10)
    assert row(found, "conv").parameters == 260
    assert found.totals["parameters"] == 338_460
    assert row(found, "conv").multiply_adds == 26 * 26 * 10 * 25


def test_28_pixels_without_padding_give_12_and_not_13():
    assert row(examine(small(28, "valid")), "pool").output_shape == (12, 12, 10)


def test_a_stride_that_does_not_fit_is_said():
    image = keras.Input((10, 11, 1))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, strides=2, name="conv")(image))
    (note,) = examine(model).notes
    assert note.layer == "conv"
    assert "3 x 3 at stride 2 x 2" in note.text
    assert "10 x 11" in note.text
    assert "never seen: the last 1 row" in note.text
    assert "column" not in note.text, "eleven columns fit"


def test_a_stride_on_the_rows_of_padding_is_no_loss():
    assert not examine(open_network("resnet50").model).notes


def test_work_of_known_layers():
    image = keras.Input((8, 8, 6))
    x = keras.layers.Conv2D(12, 3, padding="same", groups=2, name="grouped")(image)
    x = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depth")(x)
    x = keras.layers.SeparableConv2D(4, 3, padding="same", name="separable")(x)
    x = keras.layers.Conv2DTranspose(5, 2, strides=2, name="up")(x)
    found = examine(keras.Model(image, keras.layers.Dense(7, name="dense")(x)))
    work = {r.name: r.multiply_adds for r in found.layers if r.multiply_adds}
    assert work == {
        "grouped": 64 * 9 * 3 * 12,
        "depth": 64 * 9 * 24,
        "separable": 64 * (9 * 24 + 24 * 4),
        "up": 64 * 4 * 4 * 5,
        "dense": 256 * 5 * 7,
    }


def test_what_is_frozen_keeps_nothing():
    everything = examine(open_network("vgg16", size=64).model)
    last = examine(open_network("vgg16", size=64, unfreeze="1").model)
    assert everything.totals["trainable"] == everything.totals["parameters"]
    assert last.totals["trainable"] == last.blocks[-1].parameters
    assert [b.trainable > 0 for b in last.blocks] == [False] * 4 + [True]
    # The tensor in front of the boundary is the input of the first convolution that trains.
    assert [b.kept_bytes > 0 for b in last.blocks] == [False] * 3 + [True] * 2
    assert row(last, "block4_pool").kept_bytes == 4 * 4 * 4 * 512
    assert last.memory.training_picture < everything.memory.training_picture
    assert last.memory.training_state == 12 * last.totals["trainable"]


def test_the_largest_batch_fits_and_one_more_does_not():
    memory = examine(open_network("vgg16", size=64).model).memory
    room = 10**9
    for batch, need in (
        (memory.largest_training_batch(room), memory.training),
        (memory.largest_prediction_batch(room), memory.prediction),
    ):
        assert need(batch) <= room < need(batch + 1)
    assert memory.largest_training_batch(10**6) == 0


def test_memory_of_a_chain_by_hand():
    image = keras.Input((10, 10, 1), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", name="one")(image)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Conv2D(2, 3, padding="same", name="two")(x)
    found = examine(keras.Model(image, x))
    kept = {r.name: r.kept_bytes for r in found.layers}
    # Each convolution needs its input; the ReLU its output, which is the same tensor.
    assert kept == {"image": 400, "one": 0, "relu": 1600, "two": 0}


def test_dilation_is_in_the_field():
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(image)
    model = keras.Model(image, keras.layers.Conv2D(4, 3, dilation_rate=4, padding="same")(x))
    last = examine(model).layers[-1]
    assert last.field == (19, 19)
    assert last.jump == (2, 2)


def test_squeeze_excitation_is_whole_beside_a_local_field():
    found = examine(open_network("efficientnetb0", size=64).model)
    last = found.layers[-1]
    assert last.whole
    assert last.field[0] > 64
    assert not found.layers[5].whole


def test_an_unknown_layer_is_named_and_stops_nothing():
    class Mixing(keras.layers.Layer):
        def call(self, x):
            return keras.ops.roll(x, 1, axis=1)

    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.Conv2D(4, 3, name="after")(Mixing(name="mixing")(x))
    found = examine(keras.Model(image, keras.layers.GlobalAveragePooling2D(name="pool")(x)))
    assert [r.unknown_from for r in found.layers] == ["", "", "mixing", "mixing", ""]
    assert row(found, "after").field is None
    assert row(found, "pool").whole
    assert found.totals["parameters"] == 4 * 28 + 4 * 37


def test_a_layer_of_ones_own_may_say_that_it_keeps_positions():
    class Scale(keras.layers.Layer):
        positionwise = True

        def call(self, x):
            return 2 * x

    image = keras.Input((16, 16, 3))
    model = keras.Model(image, Scale()(keras.layers.Conv2D(4, 3)(image)))
    assert examine(model).layers[-1].field == (3, 3)


def test_operations_of_keras_ops():
    image = keras.Input((16, 16, 4), dtype="uint8")
    x = keras.ops.flip(image, axis=-1)
    x = keras.layers.Rescaling(1 / 255)(x)
    left, right = x[..., :2], x[..., 2:]
    x = keras.ops.concatenate([right, left], axis=-1)
    x = keras.layers.Reshape((16, 16, 2, 2))(x)
    x = keras.layers.Reshape((16, 16, 4))(keras.ops.transpose(x, (0, 1, 2, 4, 3)))
    x = keras.layers.Conv2D(4, 3)(x[:, 1::2, 2:])
    last = examine(keras.Model(image, x)).layers[-1]
    assert last.field == (5, 3)
    assert last.jump == (2, 1)
    assert last.centre == (3, 3)


def test_a_nested_model_is_opened():
    inner = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(64, 64, 3))
    image = keras.Input((64, 64, 3))
    x = keras.layers.GlobalAveragePooling2D(name="pool")(inner(image))
    whole = keras.Model(image, keras.layers.Dense(3, name="logits")(x))
    found, alone = examine(whole), examine(inner)
    assert found.totals["parameters"] == whole.count_params()
    assert found.totals["multiply_adds"] == alone.totals["multiply_adds"] + 1280 * 3
    assert found.layers[-3].field == alone.layers[-1].field


def test_several_outputs_are_one_block():
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3)(image)
    found = examine(keras.Model(image, [x, keras.layers.Conv2D(2, 3)(x)]))
    assert [b.name for b in found.blocks] == ["network"]


def test_json_has_the_same_keys_for_everything_and_is_json():
    value = json.loads(json.dumps(examine(small(30, "valid")).as_json(), allow_nan=False))
    assert set(value) == {
        "schema", "name", "input_shape", "layers", "blocks", "totals", "notes", "memory",
    }  # fmt: skip
    assert all(set(r) == ROW for r in value["layers"] + value["blocks"])
    assert set(value["memory"]) == {
        "weights", "training_state", "training_picture", "prediction_picture",
    }  # fmt: skip


def test_pictures_of_any_size_need_a_size():
    model = keras.applications.MobileNetV2(weights=None, include_top=False)
    with pytest.raises(BackboneError, match="--size"):
        examine(model)


def test_nothing_is_computed_or_changed():
    model = small(30, "valid")
    before = [np.array(w) for w in model.get_weights()]
    examine(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.trainable
