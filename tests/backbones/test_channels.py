import keras
import numpy as np
import pytest

from tests.backbones.lite_pictures import photographs
from tlpipe.backbones.blocks import find_blocks
from tlpipe.backbones.build import build
from tlpipe.backbones.channels import adapt_channels
from tlpipe.data.pixels import gray

SIZE = 96


def run(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.fixture(scope="module")
def lite() -> keras.Model:
    return build("efficientnet_lite0", size=SIZE).model


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_gray_picture_in_every_channel_gives_what_it_gave_as_rgb(lite, channels):
    picture = gray(photographs(SIZE)["coffee.png"])[None, ..., None]
    adapted = adapt_channels(lite, channels)
    assert adapted.input.shape == (None, SIZE, SIZE, channels)
    expected = run(lite, np.repeat(picture, 3, axis=3))
    assert np.abs(run(adapted, np.repeat(picture, channels, axis=3)) - expected).max() < 1e-3
    assert expected.std() > 0.1


def test_blocks_and_every_other_weight_stay(lite):
    adapted = adapt_channels(lite, 6)
    assert [b.name for b in find_blocks(adapted)] == [b.name for b in find_blocks(lite)]
    changed = [
        old.path
        for old, new in zip(lite.weights, adapted.weights, strict=True)
        if old.shape != new.shape or not np.array_equal(old.numpy(), new.numpy())
    ]
    assert changed == ["stem_conv/kernel"]


@pytest.mark.parametrize("name", ["resnet50", "convnext_tiny", "mobilenetv3_small"])
def test_networks_with_other_preprocessing_take_other_channels(name):
    adapted = adapt_channels(build(name, weights="none", size=64).model, 5)
    picture = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 5), dtype=np.uint8)
    assert np.isfinite(run(adapted, picture)).all()
