import keras
import numpy as np
import pytest
from keras import layers

from tests.dense.networks import (
    HEADS,
    average,
    classifier,
    one_by_one,
    padded,
    photograph,
    scores,
    unpadded,
)
from tlpipe.backbones.efficientnet_lite import efficientnet_lite
from tlpipe.dense.convolutions import to_convolutions
from tlpipe.dense.dilation import output_stride
from tlpipe.dense.pooling import DilatedPooling
from tlpipe.dense.window import WindowConv2D
from tlpipe.errors import BackboneError


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("stride", "places"), [(16, 5), (8, 9)])
def test_without_padding_each_finer_place_is_its_window(head, stride, places):
    model = classifier(160, unpadded, HEADS[head])
    dense = output_stride(to_convolutions(model), stride)
    picture = photograph("astronaut", 224)
    found = scores(dense.model, picture[None])[0]
    assert found.shape[:2] == dense.map_size(224, 224) == (places, places)
    np.testing.assert_allclose(found, one_by_one(model, picture, stride), atol=1e-4)


def _small_padded(size: int) -> keras.Model:
    return classifier(size, padded, HEADS["both"])


def _lite0(size: int) -> keras.Model:
    keras.utils.set_random_seed(0)
    return efficientnet_lite(0, size, include_top=True)


def _vgg16(size: int) -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.applications.VGG16(
        weights=None, input_shape=(size, size, 3), classes=10, classifier_activation=None
    )


def _mobilenet_v2(size: int) -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((size, size, 3))
    body = keras.applications.MobileNetV2(weights=None, include_top=False, input_tensor=image)
    return keras.Model(image, layers.Dense(4)(layers.GlobalMaxPooling2D()(body.outputs[0])))


@pytest.mark.parametrize(
    ("make", "size", "stride"),
    [
        (_small_padded, 64, 8),
        (_small_padded, 64, 1),
        (_small_padded, 75, 4),
        (_small_padded, 70, 2),
        (_lite0, 64, 16),
        (_lite0, 72, 8),
        (_vgg16, 64, 16),
        (_mobilenet_v2, 96, 8),
    ],
)
def test_with_padding_too_the_coarse_map_is_in_the_finer_one(make, size, stride):
    dense = to_convolutions(make(size))
    fine = output_stride(dense, stride)
    step = dense.stride // stride
    picture = photograph("coffee", size + 2 * dense.stride)[None]
    coarse, found = (scores(network.model, picture)[0] for network in (dense, fine))
    assert coarse.shape[:2] == (3, 3)
    assert found.shape[:2] == fine.map_size(*picture.shape[1:3]) == (2 * step + 1,) * 2
    scale = np.abs(coarse).max()
    assert coarse.std(axis=(0, 1)).max() > 1e-3 * scale, "the windows should differ"
    np.testing.assert_allclose(found[::step, ::step], coarse, atol=1e-4 * scale)


def test_a_stride_that_is_not_there_names_those_that_are():
    dense = to_convolutions(classifier(64, padded, average))
    with pytest.raises(BackboneError, match="16, 8, 4, 2, 1"):
        output_stride(dense, 12)
    with pytest.raises(BackboneError, match="dilated already"):
        output_stride(output_stride(dense, 8), 4)


@pytest.mark.parametrize("mode", ["max", "mean"])
def test_dilated_pooling_is_pooling_of_every_second_place(mode, tmp_path):
    pooling = layers.MaxPooling2D if mode == "max" else layers.AveragePooling2D
    picture = photograph("chelsea", 21)[None].astype("float32") - 200
    layer = DilatedPooling(mode, (3, 2), dilation=2, padding=((2, 2), (0, 2)))
    image = keras.Input((None, None, 3))
    keras.Model(image, layer(image)).save(tmp_path / "m.keras")
    found = scores(keras.saving.load_model(tmp_path / "m.keras"), picture)
    plain = pooling((3, 2), 1, padding="same")
    for row in (0, 1):
        for column in (0, 1):
            expected = scores(plain, picture[:, row::2, column::2])
            np.testing.assert_allclose(found[:, row::2, column::2], expected, rtol=1e-5)


@pytest.mark.parametrize("dilation", [1, 2])
def test_the_large_convolution_is_a_convolution(dilation, tmp_path):
    keras.utils.set_random_seed(0)
    how = {"dilation_rate": dilation, "activation": "relu", "bias_initializer": "ones"}
    image = keras.Input((None, None, 3))
    model = keras.Model(image, WindowConv2D(6, (4, 5), **how)(image))
    model.save(tmp_path / "m.keras")
    plain = layers.Conv2D(6, (4, 5), **how)
    picture = photograph("chelsea", 21)[None] / 255.0
    plain.build(picture.shape)
    plain.set_weights(model.get_weights())
    found = scores(keras.saving.load_model(tmp_path / "m.keras"), picture)
    np.testing.assert_allclose(found, scores(plain, picture), atol=1e-5)
