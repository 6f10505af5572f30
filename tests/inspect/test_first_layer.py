"""The first convolution as a picture."""

import keras
import numpy as np
import pytest
from PIL import Image
from skimage import data

from tlpipe.errors import BackboneError, ConfigError, DataError
from tlpipe.inspect.first_layer import activations, draw, filters


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


def network(kernel: np.ndarray, flip: bool = False) -> keras.Model:
    image = keras.Input((32, 32, kernel.shape[2]), dtype="uint8")
    x = keras.ops.flip(image, axis=-1) if flip else image
    x = keras.layers.Rescaling(1 / 255)(x)
    layer = keras.layers.Conv2D(kernel.shape[3], kernel.shape[:2], use_bias=False, name="conv")
    model = keras.Model(image, layer(x))
    layer.set_weights([kernel])
    return model


def red() -> np.ndarray:
    kernel = np.zeros((1, 1, 3, 2), "float32")
    kernel[0, 0, 0] = (1, -1)
    return kernel


def test_filters_have_their_colours():
    shown = filters(network(red()))
    assert shown.shape == (2, 1, 1, 3)
    np.testing.assert_array_equal(shown[0, 0, 0], (1, 0, 0))
    np.testing.assert_array_equal(shown[1, 0, 0], (0, 1, 1))
    # The same kernel behind a swap of the colours looks for blue.
    np.testing.assert_array_equal(filters(network(red(), flip=True))[0, 0, 0], (0, 0, 1))


def test_activations_are_those_of_the_layer(photograph):
    found = activations(network(red()), photograph)
    assert found.shape == (2, 32, 32)
    np.testing.assert_allclose(found[0], -found[1])
    expected = data.astronaut()[..., 0].mean() / 255
    assert found[0].mean() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_drawing(tmp_path, photograph, suffix):
    file = draw(network(red()), tmp_path / f"grid{suffix}", photograph)
    if suffix == ".png":
        pixels = np.asarray(Image.open(file).convert("RGB"))
        assert (pixels == (255, 0, 0)).all(axis=-1).any(), "the red filter is red"
        assert pixels.shape[1] > 1.5 * pixels.shape[0], "two grids side by side"
    else:
        assert file.read_text().startswith("<?xml")
    assert len(list(tmp_path.iterdir())) == 1


def test_filters_on_other_channels_are_grey():
    kernel = np.arange(18, dtype="float32").reshape(3, 3, 1, 2)
    assert filters(network(kernel)).shape == (2, 3, 3, 1)


def test_what_can_t_be_drawn_is_said(tmp_path, photograph):
    model = network(red())
    with pytest.raises(ConfigError, match="no picture file"):
        draw(model, tmp_path / "grid.txt")
    with pytest.raises(DataError, match="can't be read"):
        draw(model, tmp_path / "grid.png", tmp_path / "none.jpg")
    image = keras.Input((4, 4, 3))
    with pytest.raises(BackboneError, match="no convolution"):
        draw(keras.Model(image, keras.layers.ReLU()(image)), tmp_path / "grid.png")
    grey = network(np.ones((3, 3, 1, 2), "float32"))
    with pytest.raises(BackboneError, match="not a square RGB picture"):
        draw(grey, tmp_path / "grid.png", photograph)
    assert not list(tmp_path.iterdir())
