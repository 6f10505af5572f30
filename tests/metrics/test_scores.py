"""Scores agree with scikit-learn, or with arithmetic done by hand."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from tlpipe.errors import DataError, TrainingError
from tlpipe.metrics import scores


def guesses(n, k, seed=0, skill=2.0):
    """Labels and probabilities of a forecaster that is right more often than not."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), labels] += skill
    p = np.exp(logits)
    return labels, p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("k", [2, 5])
def test_scikit_learn_says_the_same(k):
    labels, p = guesses(300, k)
    found = scores.summary(labels, p, [f"class{i}" for i in range(k)])
    chosen = p.argmax(axis=1)
    expected = {
        "accuracy": (chosen == labels).mean(),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, chosen),
        "macro_f1": sk.f1_score(labels, chosen, average="macro"),
        "auc": sk.roc_auc_score(labels, p[:, 1] if k == 2 else p, multi_class="ovr"),
        "log_loss": sk.log_loss(labels, p),
        "brier": ((p[:, 1] - labels) ** 2).mean()
        if k == 2
        else ((p - np.eye(k)[labels]) ** 2).sum(axis=1).mean(),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    assert found["n"] == 300
    assert np.array_equal(found["confusion"], sk.confusion_matrix(labels, chosen))
    assert found["per_class"]["class1"]["recall"] == pytest.approx(
        (chosen[labels == 1] == 1).mean()
    )


def test_ece_by_hand():
    # 30 pictures of 30 confidences: each of the 15 bins holds two neighbours.
    confidence = np.linspace(0.6, 0.95, 30)
    hit = np.arange(30) % 3 > 0
    p = np.stack([1 - confidence, confidence], axis=1)
    gaps = (hit - confidence).reshape(15, 2).mean(axis=1)
    assert scores.ece(hit.astype(int), p) == pytest.approx(np.abs(gaps).mean())


def test_ece_knows_calibrated_from_overconfident():
    rng = np.random.default_rng(5)
    x = rng.uniform(size=20_000)
    labels = (rng.uniform(size=20_000) < x).astype(int)
    assert scores.ece(labels, np.stack([1 - x, x], axis=1)) < 0.02
    sure = np.where(x > 0.5, 0.99, 0.01)
    assert scores.ece(labels, np.stack([1 - sure, sure], axis=1)) == pytest.approx(0.24, abs=0.02)


def test_the_order_of_pictures_has_no_effect():
    # Sorted by class and all equally sure: ties cut by position would look miscalibrated.
    labels = np.repeat([0, 1], 150)
    p = np.tile([0.5, 0.5], (300, 1))
    assert scores.ece(labels, p) == pytest.approx(0)
    labels, p = guesses(300, 4)
    p = p.round(1) + 1e-3
    p /= p.sum(axis=1, keepdims=True)
    shuffled = np.random.default_rng(1).permutation(300)
    for name, score in scores.SCALARS.items():
        assert score(labels[shuffled], p[shuffled]) == pytest.approx(score(labels, p)), name


def test_a_class_without_pictures_is_named_and_its_scores_are_none():
    labels, p = guesses(200, 4)
    kept = labels != 2
    found = scores.summary(labels[kept], p[kept], ["a", "b", "c", "d"])
    assert found["absent_classes"] == ["c"]
    assert found["per_class"]["c"]["recall"] is None
    assert found["per_class"]["c"]["support"] == 0
    present = [sk.roc_auc_score(labels[kept] == c, p[kept, c]) for c in (0, 1, 3)]
    assert found["auc"] == pytest.approx(np.mean(present))
    assert found["balanced_accuracy"] == pytest.approx(
        np.mean([found["per_class"][name]["recall"] for name in "abd"])
    )
    json.dumps(found, allow_nan=False)


def test_one_class_only_has_no_auc():
    found = scores.summary([1, 1, 1], [[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]], ["no", "yes"])
    assert found["auc"] is None
    assert found["accuracy"] == pytest.approx(2 / 3)
    json.dumps(found, allow_nan=False)


def test_a_class_never_predicted_has_no_precision():
    found = scores.per_class([0, 1], [[0.9, 0.1], [0.8, 0.2]], ["no", "yes"])
    assert found["yes"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}


def test_a_probability_of_zero_costs_a_finite_amount():
    assert scores.log_loss([0], [[0.0, 1.0]]) == pytest.approx(-np.log(np.finfo(np.float32).eps))


def test_softmax_of_large_logits_does_not_overflow():
    p = scores.softmax([[1000.0, 1000.0 + np.log(3)], [0.0, -np.inf]])
    assert p == pytest.approx(np.array([[0.25, 0.75], [1.0, 0.0]]))


def test_an_empty_part_is_refused():
    with pytest.raises(DataError, match="no pictures"):
        scores.summary([], np.empty((0, 2)), ["no", "yes"])


def test_predictions_that_are_not_finite_are_counted():
    with pytest.raises(TrainingError, match="1 of 2"):
        scores.accuracy([0, 1], [[np.nan, 1], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("labels", "p", "why"),
    [
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "outside 0..1"),
        ([0], [[0.5, 0.5], [0.5, 0.5]], "1 labels for 2 rows"),
        ([0, 1], [[3.0, -1.0], [0.0, 2.0]], "logits"),
        ([0, 1], [0.5, 0.5], "not \\(n,k\\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(labels, p, why):
    with pytest.raises(ValueError, match=why):
        scores.accuracy(labels, p)
