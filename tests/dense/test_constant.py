import numpy as np
import pytest

from tests.dense.networks import HEADS, classifier, padded, photograph, scores
from tlpipe.dense import constant as module
from tlpipe.dense.constant import constant
from tlpipe.dense.convolutions import to_convolutions


# With a limit of none every weight stays a variable.
@pytest.mark.parametrize("most", [module._MOST, 0])
def test_it_says_what_the_network_says_at_any_size(monkeypatch, most):
    monkeypatch.setattr(module, "_MOST", most)
    dense = to_convolutions(classifier(160, padded, HEADS["flattened"])).model
    found = constant(dense)
    for size in (224, 256):
        picture = photograph("chelsea", size)[None]
        np.testing.assert_allclose(
            found.predict_on_batch(picture), scores(dense, picture), atol=1e-5
        )


def test_it_keeps_the_weights_of_its_making():
    dense = to_convolutions(classifier(160, padded, HEADS["both"])).model
    picture = photograph("chelsea", 224)[None]
    found, before = constant(dense), scores(dense, picture)
    dense.set_weights([weight * 0 for weight in dense.get_weights()])
    np.testing.assert_allclose(found.predict_on_batch(picture), before, atol=1e-5)
    assert not found.weights
