"""Units: where a picture excites them, and the deconvnet's view of why."""

import keras
import numpy as np
import pytest
from keras import layers

from tlpipe.explain.units import Unit


def two_layers(activation):
    """Two convolutions of one pixel: k, an activation, then w to two units."""
    picture = keras.Input((5, 5, 1))
    x = layers.Conv2D(2, 1, use_bias=False, activation=activation, name="first")(picture)
    maps = layers.Conv2D(2, 1, use_bias=False, name="second")(x)
    model = keras.Model(picture, layers.Dense(3)(layers.GlobalAveragePooling2D()(maps)))
    model.get_layer("first").set_weights([np.array([[[[1.0, -0.5]]]], "float32")])
    kernel = np.array([[[[9.0, 2.0], [9.0, -4.0]]]], "float32")
    model.get_layer("second").set_weights([kernel])
    return model, maps


@pytest.fixture
def spot():
    """A picture that is brightest in row 3, column 1."""
    picture = np.full((1, 5, 5, 1), 10.0, "float32")
    picture[0, 3, 1] = 50
    return picture


def test_responses_are_those_of_the_network(tiny, photographs):
    tensor = tiny.layers[-3].output
    maps = np.asarray(keras.Model(tiny.input, tensor)(photographs, training=False))[..., 7]
    values, places = Unit(tiny, tensor, 7).responses(photographs)
    for one, value, place in zip(maps, values, places, strict=True):
        assert value == pytest.approx(one.max(), rel=1e-3)
        assert tuple(place) == np.unravel_index(one.argmax(), one.shape)


def test_any_number_of_pictures(tiny, photographs):
    unit = Unit(tiny, tiny.layers[4].output, 3)
    many = np.concatenate([photographs] * 9)
    np.testing.assert_allclose(
        unit.responses(many)[0], np.tile(unit.responses(photographs)[0], 9), rtol=1e-5
    )


def test_the_deconvnet_by_hand(spot):
    model, maps = two_layers("relu")
    unit = Unit(model, maps, 1)
    values, places = unit.responses(spot)
    # The second unit of the first layer is off: w = 2 alone counts.
    assert values[0] == pytest.approx(100)
    assert tuple(places[0]) == (3, 1)
    view = unit.views(spot, places)[0]
    expected = np.zeros((5, 5))
    # Of w = (2, -4) the rectified way back lets 2 through, whatever was on before.
    expected[3, 1] = 2 * 1.0
    assert view.method == "deconvnet"
    np.testing.assert_allclose(view.gradients[0, ..., 0], expected)


def test_the_deconvnet_is_not_the_gradient(spot):
    model, maps = two_layers("relu")
    # In a dark picture the first layer's second unit is on and its first one off.
    view = Unit(model, maps, 0).views(-spot, np.array([[0, 0]]))[0]
    # The gradient is 9 * -0.5 through the one that is on; the deconvnet passes both.
    assert view.gradients[0, 0, 0, 0] == pytest.approx(9 * 1.0 + 9 * -0.5)


def pooled(pooling, bias):
    """A rectified convolution, pooled: its second unit."""
    picture = keras.Input((96, 96, 3))
    how = {
        "kernel_initializer": keras.initializers.HeNormal(1),
        "bias_initializer": keras.initializers.Constant(bias),
    }
    x = layers.Rescaling(1 / 128, -1)(picture)
    maps = pooling(2)(layers.Conv2D(4, 3, activation="relu", **how)(x))
    model = keras.Model(picture, layers.Dense(2)(layers.GlobalAveragePooling2D()(maps)))
    return Unit(model, maps, 1)


def test_max_pooling_brings_the_picture_in(photographs):
    # Always on, so that each picture has one largest place in every window.
    (view,) = pooled(layers.MaxPooling2D, 100).views(photographs, np.full((4, 2), 20))
    assert view.method == "deconvnet"
    assert view.note == ""
    assert np.ptp(view.gradients, axis=0).max() > 0


def test_where_the_deconvnet_is_blind_guided_backprop_sees(photographs):
    unit = pooled(layers.AveragePooling2D, 0)
    on = (np.asarray(unit.part.predict_on_batch(photographs))[..., 1] > 0).sum(0)
    # A place that excites the unit in some pictures and not in others.
    place = np.argwhere((on > 0) & (on < 4))[0]
    deconvnet, guided = unit.views(photographs, np.tile(place, (4, 1)))
    assert (deconvnet.method, guided.method) == ("deconvnet", "guided")
    assert "same for every picture" in deconvnet.note
    assert np.abs(deconvnet.gradients).max() > 0
    assert np.ptp(deconvnet.gradients, axis=0).max() == 0
    assert np.ptp(guided.gradients, axis=0).max() > 0


def test_where_it_is_undefined_the_gradient_comes_under_its_own_name(spot):
    model, maps = two_layers("swish")
    unit = Unit(model, maps, 1)
    values, places = unit.responses(spot)
    view = unit.views(spot, places)[0]
    assert view.method == "saliency"
    assert "deconvnet" in view.note
    assert "first" in view.note
    step = np.zeros_like(spot)
    step[0, 3, 1] = 0.01
    slope = (unit.responses(spot + step)[0] - values)[0] / 0.01
    assert view.gradients[0, 3, 1, 0] == pytest.approx(slope, rel=0.02)
    assert np.count_nonzero(view.gradients) == 1


def test_another_precision_is_seen_in_float32(photographs):
    keras.utils.set_random_seed(0)
    picture = keras.Input((96, 96, 3), dtype="uint8")
    x = layers.Rescaling(1 / 255, dtype="mixed_bfloat16")(picture)
    maps = layers.Conv2D(4, 3, activation="relu", dtype="mixed_bfloat16")(x)
    pooled = layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(maps)
    model = keras.Model(picture, layers.Dense(2, dtype="float32")(pooled))
    conv = model.layers[2]
    unit = Unit(model, maps, 2)
    assert unit.part.outputs[0].dtype == "float32"
    values, places = unit.responses(photographs)
    kernel, bias = (keras.ops.convert_to_numpy(w) for w in conv.weights)
    for picture, value, (row, column) in zip(photographs, values, places, strict=True):
        seen = picture[row : row + 3, column : column + 3] / 255
        assert value == pytest.approx((seen * kernel[..., 2]).sum() + bias[2], rel=1e-4)
    assert unit.views(photographs, places)[0].gradients.dtype == np.float32
    assert conv.compute_dtype == "bfloat16", "the model itself is left alone"
