import sys

import keras
import numpy as np
import pytest

from tests.backbones.lite_pictures import photographs
from tlpipe.backbones.blocks import find_blocks
from tlpipe.backbones.build import build
from tlpipe.errors import BackboneError

SIZE = 64
SCALE, OFFSET = [1 / 58.4, 1 / 57.1, 1 / 57.4], [-2.1, -2.0, -1.8]


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip("keras_hub")


@pytest.fixture(scope="module")
def resnet(hub):
    return hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
    )


@pytest.fixture
def batch() -> np.ndarray:
    return photographs(SIZE)["chelsea.png"][None]


def run(model, x) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x, training=False))


def test_without_kerashub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(BackboneError, match=r"pip install 'tlpipe\[hub\]'"):
        build("hub:resnet_50_imagenet")


def test_a_preset_is_a_flat_backbone_with_its_preprocessing(hub, resnet, batch, tmp_path):
    converter = hub.layers.ResNetImageConverter((SIZE, SIZE), scale=SCALE, offset=OFFSET)
    for part in (resnet, converter):
        part.save_to_preset(str(tmp_path))
    found = build(f"hub:{tmp_path}")
    expected = run(resnet, batch * np.array(SCALE, "float32") + np.array(OFFSET, "float32"))
    np.testing.assert_allclose(run(found.model, batch), expected, atol=2e-5 * expected.std())
    assert found.size == SIZE
    assert (found.model.input.name, found.model.input.dtype) == ("image", "uint8")
    assert not [layer for layer in found.model.layers if isinstance(layer, keras.Model)]
    assert sum(b.parameters for b in find_blocks(found.model)) == resnet.count_params()
    assert found.weights == f"KerasHub preset {tmp_path}"
    assert len(found.weights_sha256) == 64
    assert build(f"hub:{tmp_path}", size=96).model.output.shape[1:3] == (12, 12)
    other = build(f"hub:{tmp_path}", weights="none").model
    assert not np.allclose(run(other, batch), run(found.model, batch))


def test_a_preset_without_a_converter_gets_the_pixels(resnet, batch, tmp_path):
    resnet.save_to_preset(str(tmp_path))
    found = build(f"hub:{tmp_path}", size=SIZE)
    assert "the pixels 0..255" in found.weights
    expected = run(resnet, batch.astype("float32"))
    np.testing.assert_allclose(run(found.model, batch), expected, atol=2e-5 * expected.std())


def test_a_network_of_text_or_tokens_is_refused(hub, tmp_path):
    text = hub.models.BertBackbone(
        vocabulary_size=10, num_layers=1, num_heads=1, hidden_dim=8, intermediate_dim=8
    )
    text.save_to_preset(str(tmp_path / "bert"))
    with pytest.raises(BackboneError, match="no graph from one picture"):
        build(f"hub:{tmp_path / 'bert'}")
    tokens = hub.models.ViTBackbone(
        image_shape=(SIZE, SIZE, 3),
        patch_size=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=32,
        mlp_dim=32,
    )
    tokens.save_to_preset(str(tmp_path / "vit"))
    with pytest.raises(BackboneError, match="no feature map"):
        build(f"hub:{tmp_path / 'vit'}")


def test_an_unknown_preset_is_named(hub, tmp_path):
    with pytest.raises(BackboneError, match="'resnet_50_imagenett' can't be had"):
        build("hub:resnet_50_imagenett")
