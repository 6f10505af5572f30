"""One number makes confidence honest, and changes no answer."""

import numpy as np
import pytest

from tlpipe.metrics.scores import ece, log_loss, softmax
from tlpipe.metrics.temperature import HIGHEST, LOWEST, fit_temperature, tempered


def drawn(scale, n=4000, k=3, seed=0):
    """Labels drawn from the softmax of logits that are then multiplied by ``scale``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, k))
    p = softmax(logits)
    labels = (rng.random((n, 1)) > p.cumsum(1)).sum(1)
    return labels, logits * scale


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_true_temperature_is_found(scale):
    labels, logits = drawn(scale)
    assert fit_temperature(labels, logits) == pytest.approx(scale, rel=0.1)


def test_scaling_mends_confidence_and_keeps_answers():
    labels, logits = drawn(3.0)
    before = softmax(logits)
    after = tempered(before, fit_temperature(labels, logits))
    assert ece(labels, after) < 0.03 < ece(labels, before)
    assert log_loss(labels, after) < log_loss(labels, before)
    np.testing.assert_array_equal(before.argmax(1), after.argmax(1))
    np.testing.assert_allclose(after.sum(1), 1)


def test_probabilities_suffice():
    _, logits = drawn(2.0, n=50)
    np.testing.assert_allclose(tempered(softmax(logits), 1.7), softmax(logits / 1.7), atol=1e-12)


def test_all_right_and_all_wrong_stay_within_bounds():
    logits = np.array([[9.0, 0.0], [0.0, 9.0]] * 5)
    right = np.array([0, 1] * 5)
    assert LOWEST <= fit_temperature(right, logits) < 0.3
    assert 9 < fit_temperature(1 - right, logits) <= HIGHEST
    assert np.isfinite(tempered([[1.0, 0.0]], 2.0)).all()
