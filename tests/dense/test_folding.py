import keras
import numpy as np
import pytest
from keras import layers

from tests.dense.networks import HEADS, classifier, padded, photograph, scores, unpadded
from tlpipe.dense.convolutions import to_convolutions
from tlpipe.dense.folding import folded


def _norms(model: keras.Model) -> list:
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


@pytest.mark.parametrize("body", [unpadded, padded])
@pytest.mark.parametrize("head", ["both", "flattened"])
def test_the_folded_network_says_the_same_with_fewer_layers(body, head):
    dense = to_convolutions(classifier(160, body, HEADS[head])).model
    picture = photograph("chelsea", 224)[None]
    before = scores(dense, picture)
    plain = folded(dense)
    np.testing.assert_allclose(scores(plain, picture), before, atol=1e-5)
    np.testing.assert_array_equal(scores(dense, picture), before)
    # Behind an activation ("flattened") it stays.
    assert len(_norms(dense)) == 2
    assert len(_norms(plain)) == (1 if head == "flattened" else 0)


def test_a_convolution_that_others_use_too_keeps_its_batch_norm():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3)(image)
    y = layers.Conv2D(4, 1)(layers.BatchNormalization()(x))
    model = keras.Model(image, layers.Add()([x, layers.BatchNormalization()(y)]))
    for norm in _norms(model):
        norm.set_weights([w + 0.5 for w in norm.get_weights()])
    picture = photograph("coffee", 32)[None] / 255.0
    plain = folded(model)
    assert len(_norms(plain)) == 1
    np.testing.assert_allclose(scores(plain, picture), scores(model, picture), atol=1e-5)
