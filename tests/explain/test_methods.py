"""What the methods promise, on a real network and real photographs."""

import keras
import numpy as np
import pytest

from tlpipe.errors import ConfigError
from tlpipe.explain.faithful import curve, random_order, randomised, similarity
from tlpipe.explain.methods import METHODS, attributions
from tlpipe.explain.network import Explained
from tlpipe.explain.overlay import overlay
from tlpipe.explain.panel import panel
from tlpipe.explain.perturbation import occlusion
from tlpipe.explain.saliency import signed_integrated_gradients, smooth_gradient


@pytest.fixture(scope="module")
def network(tiny):
    return Explained(tiny)


def test_every_method_gives_maps_of_the_pictures_size(network, photographs):
    found = attributions(network, photographs[:2], np.array([0, 1]), list(METHODS))
    assert list(found) == list(METHODS)
    for name, maps in found.items():
        assert maps.shape == (2, 96, 96), name
        assert np.isfinite(maps).all(), name
        assert maps.min() >= 0, name
        assert maps.max() > 0, name


def test_the_same_again(network, photographs):
    classes = np.array([0, 1])
    for name in ("smoothgrad", "gradcam", "scorecam"):
        first, again = (
            attributions(network, photographs[:2], classes, [name])[name] for _ in range(2)
        )
        np.testing.assert_array_equal(first, again)


def test_an_unknown_method_is_named(network, photographs):
    with pytest.raises(ConfigError, match="did you mean 'gradcam'"):
        attributions(network, photographs, np.zeros(4, int), ["grad-cam"])


def test_integrated_gradients_add_up_to_the_score(photographs):
    # A smooth network, for which the midpoint rule converges quickly.
    inputs = keras.Input((96, 96, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(inputs)
    x = keras.layers.Conv2D(
        8, 5, activation="tanh", kernel_initializer=keras.initializers.HeNormal(seed=1)
    )(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    dense = keras.layers.Dense(4, kernel_initializer=keras.initializers.HeNormal(seed=2))
    network = Explained(keras.Model(inputs, dense(x)))
    classes = np.array([0, 1, 2, 3])
    signed = signed_integrated_gradients(network, photographs, classes, steps=64)
    black = network.logits(np.zeros_like(photographs))
    expected = (network.logits(photographs) - black)[np.arange(4), classes]
    assert np.abs(expected).min() > 0.01
    np.testing.assert_allclose(signed.sum((1, 2, 3)), expected, rtol=1e-3)


def test_smoothgrad_without_noise_is_the_gradient(network, photographs):
    classes = np.array([0, 1])
    smooth = smooth_gradient(network, photographs[:2], classes, samples=2, noise=0.0)
    plain = attributions(network, photographs[:2], classes, ["saliency"])["saliency"]
    np.testing.assert_allclose(smooth, plain, rtol=1e-5)


class Corner:
    """A classifier that looks at one corner: class 1 is how much contrast there is."""

    size = (96, 96)

    def logits(self, pictures):
        contrast = np.asarray(pictures, "float64")[:, :24, 72:].std((1, 2, 3)) / 25
        return np.stack([np.zeros_like(contrast), contrast - 2], 1).astype("float32")


def striped_corner(n):
    pictures = np.full((n, 96, 96, 3), 120, "uint8")
    pictures[:, 0:24:2, 72:] = 0
    pictures[:, 1:24:2, 72:] = 250
    return pictures


def test_occlusion_finds_the_place_that_counts():
    heat = occlusion(Corner(), striped_corner(1), [1])
    top, left = np.unravel_index(heat[0].argmax(), (96, 96))
    assert top < 30
    assert left > 66


def test_deletion_and_insertion_tell_sense_from_noise():
    pictures = striped_corner(2)
    sense = np.zeros((2, 96, 96), "float32")
    sense[:, :24, 72:] = 1
    noise = random_order(sense.shape, 0)
    areas = {}
    for name, heat in (("sense", sense), ("noise", noise)):
        for insert in (False, True):
            found = curve(Corner(), pictures, [1, 1], heat, steps=14, insert=insert)
            assert found.shape == (2, 15)
            areas[name, insert] = found.mean()
    assert areas["sense", False] < areas["noise", False] - 0.1
    assert areas["sense", True] > areas["noise", True] + 0.1


def test_a_shuffled_network_knows_nothing_and_leaves_the_real_one_alone(tiny, photographs):
    before = tiny.predict_on_batch(photographs.astype("float32"))
    blank = randomised(tiny, seed=0)
    again = randomised(tiny, seed=0)
    x = photographs.astype("float32")
    np.testing.assert_array_equal(blank.predict_on_batch(x), again.predict_on_batch(x))
    assert not np.allclose(blank.predict_on_batch(x), before)
    np.testing.assert_array_equal(tiny.predict_on_batch(x), before)


def test_similarity_of_maps():
    a = np.random.default_rng(0).random((3, 96, 96)).astype("float32")
    np.testing.assert_allclose(similarity(a, 3 * a + 1), 1, atol=1e-6)
    np.testing.assert_allclose(similarity(a, -a), -1, atol=1e-6)
    assert abs(similarity(a, a[::-1])[0]) < 0.2
    assert similarity(a, np.zeros_like(a)).tolist() == [0, 0, 0]


def test_overlay_and_panel(photographs):
    heat = np.zeros((96, 96), "float32")
    heat[10:20, 10:20] = 1
    laid = overlay(photographs[0], heat)
    assert laid.dtype == np.uint8
    changed = laid[15, 15].astype(int) - photographs[0][15, 15].mean()
    assert np.abs(changed).max() > 20
    # Away from the heat it is the gray picture.
    assert np.ptp(laid[60, 60].astype(int)) <= 1
    drawn = panel(photographs[0], {"Grad-CAM": heat, "猫, not 狗": heat}, ["a.jpg", "x" * 300])
    assert drawn.ndim == 3
    assert drawn.shape[1] > 3 * 160
