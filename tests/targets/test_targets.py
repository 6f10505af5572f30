"""What follows from a kind of label: truth, aims, answers, scores, and the messages."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from sklearn import metrics as sk

from tlpipe.config.settings import Head
from tlpipe.data.scan import Picture
from tlpipe.data.split import split
from tlpipe.errors import ConfigError, DataError
from tlpipe.metrics import multilabel, regression
from tlpipe.targets.classes import Classes
from tlpipe.targets.labels import Labels
from tlpipe.targets.number import Number
from tlpipe.targets.registry import TARGETS, check_labels, strata, target_of

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(50, 3)).astype("float32")
TARGET = [Classes("abc"), Labels("abc"), Number("probability", 0.3, 0.4)]


def pictures(labels, part="train"):
    return [Picture(f"{i}.png", label, part, 1, 1, 1, "", "") for i, label in enumerate(labels)]


def manifest(labels):
    return SimpleNamespace(pictures=pictures(labels), class_names=sorted(set(labels)))


@pytest.mark.parametrize("target", TARGET, ids=lambda target: target.kind)
def test_the_saved_model_answers_what_the_scores_are_computed_of(target):
    logits = LOGITS[:, : target.outputs]
    layer = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(target.answer_layer())
    )
    assert np.allclose(layer(logits), target.answers(logits), atol=1e-6)


@pytest.mark.parametrize("target", TARGET, ids=lambda target: target.kind)
def test_the_loss_is_least_where_the_logits_are_the_aims(target):
    truth = target.truth({"class": "abcab", "labels": ["a|c", "", "b", "a", "abc"[:1]],
                          "number": ["0.1", "1", "0", "0.33", "1e-1"]}[target.kind])  # fmt: skip
    loss = target.loss(Head(label_smoothing=0.0))
    aims = target.aims(truth)
    right = aims if target.kind == "number" else 20 * aims - 10
    assert float(loss(aims, right)) < 1e-3
    assert float(loss(aims, right + 1)) > float(loss(aims, right)) or target.kind == "class"
    assert float(loss(aims, -right)) > 0.1


def test_a_number_is_learned_standardised_and_told_in_its_own_unit():
    target = target_of("number", manifest(["10", "20", "30"]), "age")
    assert target.names == ("age",)
    truth = target.truth(["10", "20", "30"])
    assert truth.tolist() == [[10], [20], [30]]
    assert np.allclose(target.aims(truth).mean(), 0)
    assert np.allclose(target.aims(truth).std(), 1)
    assert np.allclose(target.answers(target.aims(truth)), truth)
    assert target.say(np.array([20.1234567])) == "20.1235"


def test_equal_numbers_in_training_do_not_divide_by_zero():
    assert target_of("number", manifest(["2", "2"])).aims(np.array([[2.0]])).tolist() == [[0.0]]


def test_labels_are_found_in_any_picture_and_none_is_an_answer():
    target = target_of("labels", manifest(["crack|dark", "", "dark | old"]))
    assert target.names == ("crack", "dark", "old")
    assert target.truth(["", "old|crack"]).tolist() == [[0, 0, 0], [1, 0, 1]]
    assert target.say(np.array([0.2, 0.5, 0.9])) == "dark|old"
    assert target.say(np.array([0.2, 0.1, 0.3])) == ""
    strict = Labels(target.names, (0.1, 0.6, 0.95))
    assert strict.say(np.array([0.2, 0.5, 0.9])) == "crack"


def test_a_class_or_label_that_the_model_does_not_know_is_named():
    for target in (Classes("ab"), Labels("ab")):
        with pytest.raises(DataError, match="'c' is unknown to the model") as error:
            target.truth(["a", "c"])
        assert "a, b" in error.value.cause


@pytest.mark.parametrize("label", ["abc", "", "nan", "inf", "1,5"])
def test_what_is_no_number_is_named_with_its_picture(label):
    with pytest.raises(DataError, match="is not a number") as error:
        check_labels("number", pictures(["0.5", label]))
    assert error.value.where == "1.png"
    assert "--label" in error.value.todo


def test_labels_that_teach_nothing_are_refused():
    with pytest.raises(DataError, match="No picture has a label"):
        check_labels("labels", pictures(["", " | "]))
    with pytest.raises(DataError, match="All 3 pictures have the same number"):
        check_labels("number", pictures(["1", "1.0", "1e0"]))


def test_settings_of_another_target_are_refused():
    with pytest.raises(ConfigError, match=r"'head.monitor' is 'auc'.*'number'") as error:
        TARGETS["number"].check(Head(monitor="auc"), "head")
    assert "loss, mae" in error.value.todo
    with pytest.raises(ConfigError, match="can't be balanced"):
        TARGETS["labels"].check(Head(balance=True), "head")
    with pytest.raises(ConfigError, match=r"'select\.score' is 'mae'"):
        TARGETS["class"].judge("mae")
    assert [TARGETS[kind].judge("auto") for kind in TARGETS] == ["log_loss", "log_loss", "mae"]


def test_the_rarest_label_and_the_tenth_of_a_number_are_dealt_out_evenly():
    labels = ["a|b"] * 20 + ["a"] * 60 + [""] * 20
    dealt = split(pictures(labels, None), [], seed=0, strata=strata("labels", labels))
    share = {
        part: [p.label for p in dealt.pictures if p.split == part] for part in ("train", "val")
    }
    assert share["train"].count("a|b") == 14
    assert share["val"].count("a|b") == 3
    values = [str(i / 100) for i in range(200)]
    dealt = split(pictures(values, None), [], seed=0, strata=strata("number", values))
    means = [
        np.mean([float(p.label) for p in dealt.pictures if p.split == part])
        for part in ("train", "val", "test")
    ]
    assert np.ptp(means) < 0.05


def test_a_label_of_a_single_picture_does_not_stop_the_split():
    labels = ["a"] * 20 + ["rare"]
    assert (
        len(split(pictures(labels, None), [], seed=0, strata=strata("labels", labels)).pictures)
        == 21
    )
    with pytest.raises(DataError, match="too few pictures to divide"):
        split(pictures(["1", "2"], None), [], seed=0, strata=["0", "0"])


def test_scores_of_numbers_are_those_of_scikit_learn():
    truth = RANDOM.normal(size=80)
    answers = truth + RANDOM.normal(0, 0.5, 80)
    found = regression.summary(truth, answers, seed=0, above=0.1)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(truth, answers))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, answers))
    assert found["r2"] == pytest.approx(sk.r2_score(truth, answers))
    assert found["above"]["auc"] == pytest.approx(sk.roc_auc_score(truth > 0.1, answers))
    for name in ("mae", "rmse", "r2"):
        low, high = found["intervals"][name]
        assert low < found[name] < high
    assert found["constant"]["mae"] == pytest.approx(np.abs(truth - np.median(truth)).mean())
    assert regression.summary(np.ones(5), np.ones(5), seed=0)["r2"] is None


def test_scores_of_labels_are_those_of_scikit_learn():
    truth = RANDOM.random((120, 3)) < (0.2, 0.5, 0.8)
    p = np.clip(truth * 0.3 + RANDOM.random((120, 3)) * 0.7, 0, 1)
    at = multilabel.best_thresholds(truth, p)
    found = multilabel.summary(truth, p, "abc", thresholds=at, seed=0)
    called = p >= at
    assert found["auc"] == pytest.approx(sk.roc_auc_score(truth, p))
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(truth, p))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(truth, called, average="macro"))
    assert found["exact_match"] == pytest.approx(sk.accuracy_score(truth, called))
    assert found["label_accuracy"] == pytest.approx(1 - sk.hamming_loss(truth, called))
    for name, interval in found["intervals"].items():
        assert interval[0] < found[name] < interval[1], name


def test_all_right_is_no_proof_that_all_will_be():
    """Intervals without width say nothing; a share of pictures gets the exact binomial one."""
    truth = np.array([[1, 0], [0, 1]] * 10)
    labels = multilabel.summary(truth, truth * 0.8 + 0.1, "ab", thresholds=(0.5, 0.5), seed=0)
    assert labels["exact_match"] == labels["auc"] == 1
    low, high = labels["intervals"]["exact_match"]
    assert (round(low, 3), high) == (0.832, 1)
    assert labels["intervals"]["auc"] is labels["intervals"]["label_accuracy"] is None
    numbers = regression.summary(truth[:, 0], truth[:, 0], seed=0, above=0.5)
    assert numbers["intervals"]["mae"] is numbers["above"]["intervals"]["auc"] is None
    assert numbers["above"]["intervals"]["accuracy"] == labels["intervals"]["exact_match"]
    assert TARGETS["labels"](["a", "b"], (0.5, 0.5)).headline(labels)


def test_a_threshold_gives_the_largest_f1():
    truth = RANDOM.random((60, 1)) < 0.3
    p = np.clip(0.4 * truth + RANDOM.random((60, 1)) * 0.6, 0, 1)
    (best,) = multilabel.best_thresholds(truth, p)
    every = [sk.f1_score(truth, p >= at, zero_division=0) for at in np.unique(p)]
    assert sk.f1_score(truth, p >= best) == pytest.approx(max(every))
    assert multilabel.best_thresholds(np.zeros((4, 1)), p[:4]) == (0.5,)


def test_did_unfreezing_help_is_answered_for_every_target():
    for target, labels in (
        (Labels("ab"), ["a", "b", "", "a|b"] * 20),
        (Number("x"), ["1", "3"] * 40),
    ):
        truth = target.truth(labels)
        good = 4 * truth - 2 if target.kind == "labels" else target.aims(truth)
        noise = np.random.default_rng(1).normal(size=truth.shape)
        for score in target.judges:
            change = target.difference(truth, good + 3 * noise, good, score, seed=0)
            better = change["high"] < 0 if score in target.smaller else change["low"] > 0
            assert better, (target.kind, score, change)
            same = target.difference(truth, good, good, score, seed=0)
            assert same["low"] == same["high"] == 0
