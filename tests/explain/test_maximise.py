"""The picture that excites a unit most."""

import keras
import numpy as np
import pytest
from keras import layers

from tlpipe.explain.units import Unit

pytest.importorskip("tensorflow", reason="tf-keras-vis needs TensorFlow")


def test_a_unit_that_looks_for_red_gets_red():
    from tlpipe.explain.maximise_tensorflow import maximise

    picture = keras.Input((24, 24, 3))
    maps = layers.Conv2D(2, 1, use_bias=False, name="conv")(picture)
    model = keras.Model(picture, layers.GlobalAveragePooling2D()(maps))
    kernel = np.zeros((1, 1, 3, 2), "float32")
    kernel[0, 0, :, 1] = (1, -1, -1)
    model.get_layer("conv").set_weights([kernel])
    found = maximise(Unit(model, maps, 1).part, 1)
    assert found.shape == (24, 24, 3)
    assert found[..., 0].mean() > 240
    assert found[..., 1:].mean() < 15


def test_it_excites_more_than_photographs_and_follows_its_seed(tiny, photographs):
    from tlpipe.explain.maximise_tensorflow import maximise

    unit = Unit(tiny, tiny.layers[-3].output, 5)
    first, again, other = (maximise(unit.part, 5, seed=s, steps=20) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 1
    assert first.min() >= 0
    assert first.max() <= 255
    mean = np.asarray(unit.part([np.stack([first, *photographs])]))[..., 5].mean((1, 2))
    assert mean[0] > 1.2 * mean[1:].max()


def test_nothing_of_the_global_random_state_is_used(tiny):
    from tlpipe.explain.maximise_tensorflow import maximise

    part = Unit(tiny, tiny.layers[3].output, 0).part
    np.random.seed(4)
    before = np.random.get_state()[1].copy()
    found = maximise(part, 0, steps=3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(5)
    np.testing.assert_array_equal(maximise(part, 0, steps=3), found)
