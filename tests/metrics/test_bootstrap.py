"""Intervals agree with resamples that were drawn and scored one by one."""

import json
import re

import numpy as np
import pytest
from scipy import stats

from tlpipe.metrics import bootstrap, compare, scores


def guesses(n, k, seed=0, skill=1.5):
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), labels] += skill
    p = np.exp(logits).round(1) + 0.01
    return labels, p / p.sum(axis=1, keepdims=True)


def drawn_one_by_one(labels, p, score, seed, resamples):
    drawn = []
    for block in bootstrap.counts(len(labels), resamples, seed):
        for count in block.T.astype(int):
            rows = np.repeat(np.arange(len(labels)), count)
            drawn.append(score(labels[rows], p[rows]))
    return np.array([np.nan if value is None else value for value in drawn])


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("name", scores.SCALARS)
def test_the_interval_is_that_of_resamples_scored_one_by_one(name, k):
    labels, p = guesses(40, k)
    slow = drawn_one_by_one(labels, p, scores.SCALARS[name], seed=3, resamples=150)
    if name == "ece":
        slow = np.maximum(slow - slow.mean() + scores.ece(labels, p), 0)
    classes = [str(i) for i in range(k)]
    found = bootstrap.with_intervals(labels, p, classes, seed=3, resamples=150)
    assert found["intervals"][name] == pytest.approx(list(np.nanpercentile(slow, [2.5, 97.5])))


def test_the_interval_of_a_class_is_that_of_resamples_scored_one_by_one():
    labels, p = guesses(30, 3)
    found = bootstrap.with_intervals(labels, p, ["a", "b", "c"], seed=1, resamples=100)
    for score in ("precision", "recall", "f1"):

        def of_b(y, q, score=score):
            return scores.per_class(y, q, ["a", "b", "c"])["b"][score]

        slow = drawn_one_by_one(labels, p, of_b, seed=1, resamples=100)
        assert found["per_class"]["b"]["intervals"][score] == pytest.approx(
            list(np.nanpercentile(slow, [2.5, 97.5]))
        )


def test_plain_numbers_stay_at_the_top():
    labels, p = guesses(100, 2)
    found = bootstrap.with_intervals(labels, p, ["no", "yes"], seed=0)
    plain = scores.summary(labels, p, ["no", "yes"])
    assert {name: found[name] for name in scores.SCALARS} == {
        name: plain[name] for name in scores.SCALARS
    }
    for name, (low, high) in found["intervals"].items():
        assert low <= found[name] <= high, name
    json.dumps(found, allow_nan=False)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        labels = rng.integers(2, size=100)
        right = rng.uniform(size=100) < 0.8
        p = np.eye(2)[np.where(right, labels, 1 - labels)]
        low, high = bootstrap.with_intervals(labels, p, "ab", seed=seed, resamples=300)[
            "intervals"
        ]["accuracy"]
        held += low <= 0.8 <= high
    assert 178 <= held <= 199


def test_equal_seeds_give_equal_intervals():
    labels, p = guesses(60, 3)
    first, again, other = (
        bootstrap.with_intervals(labels, p, "abc", seed=seed, resamples=200) for seed in (7, 7, 8)
    )
    assert first == again
    assert first["intervals"] != other["intervals"]


def test_resamples_of_one_class_are_skipped_and_counted():
    labels = np.array([0] * 10 + [1, 0])
    p = np.stack([1 - np.linspace(0.1, 0.9, 12), np.linspace(0.1, 0.9, 12)], axis=1)
    found = bootstrap.with_intervals(labels, p, "ab", seed=0, resamples=500)
    # A picture out of 12 is missed by (11/12)**12 = 35 % of the resamples.
    assert 130 <= found["bootstrap"]["auc_skipped"] <= 220
    assert found["intervals"]["auc"] is not None
    alone = bootstrap.with_intervals(labels[:10], p[:10], "ab", seed=0, resamples=50)
    assert alone["intervals"]["auc"] is None
    assert alone["bootstrap"]["auc_skipped"] == 50
    assert alone["per_class"]["b"]["intervals"]["recall"] is None


def test_memory_is_bounded_for_many_pictures():
    blocks = [block.shape for block in bootstrap.counts(1_000_000, 6, seed=0)]
    assert blocks == [(1_000_000, 4), (1_000_000, 2)]


@pytest.mark.parametrize("name", scores.SCALARS)
def test_a_better_model_is_found_better_and_the_worse_one_worse(name):
    labels, weak = guesses(400, 2, skill=0.5)
    strong = 0.3 * weak + 0.7 * np.eye(2)[labels]
    lower = name in ("ece", "log_loss", "brier")
    if name == "ece":
        # The strong forecaster is underconfident, the sure one is wrong and certain.
        strong, weak = np.eye(2)[labels], np.eye(2)[1 - labels]
    up = compare.difference(labels, weak, strong, name, seed=0)
    down = compare.difference(labels, strong, weak, name, seed=0)
    assert compare.verdict(up, higher_is_better=not lower) == "better"
    assert compare.verdict(down, higher_is_better=not lower) == "worse"
    assert up["value"] == pytest.approx(-down["value"])
    assert up["low"] - 1e-9 <= up["value"] <= up["high"] + 1e-9


def test_pairing_makes_the_difference_sharper_than_two_separate_intervals():
    labels, a = guesses(300, 2)
    b = a.copy()
    wrong = np.flatnonzero(a.argmax(axis=1) != labels)[:12]
    b[wrong] = np.eye(2)[labels[wrong]]
    diff = compare.difference(labels, a, b, "accuracy", seed=0)
    assert diff["value"] == pytest.approx(12 / 300)
    assert compare.verdict(diff) == "better"
    low_b = bootstrap.with_intervals(labels, b, "ab", seed=0)["intervals"]["accuracy"][0]
    high_a = bootstrap.with_intervals(labels, a, "ab", seed=0)["intervals"]["accuracy"][1]
    assert low_b < high_a


def test_noise_is_a_tie():
    labels, a = guesses(200, 3, seed=1)
    _, noise = guesses(200, 3, seed=2, skill=0)
    b = 0.98 * a + 0.02 * noise
    assert compare.verdict(compare.difference(labels, a, b, seed=0)) == "tie"
    assert compare.verdict(compare.difference(labels, a, a, seed=0)) == "tie"


def test_an_undefined_difference_is_a_tie():
    p = np.array([[0.2, 0.8], [0.4, 0.6]])
    diff = compare.difference([1, 1], p, p, "auc", seed=0)
    assert diff == {"value": None, "low": None, "high": None}
    assert compare.verdict(diff) == "tie"


def test_an_unknown_score_is_refused():
    labels, p = guesses(20, 2)
    with pytest.raises(ValueError, match="balanced_accuracy"):
        compare.difference(labels, p, p, "acuracy", seed=0)


def test_a_perfect_score_on_few_pictures_is_not_certain():
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    result = bootstrap.with_intervals(labels, np.eye(2)[labels] * 0.8 + 0.1, ["a", "b"], seed=0)
    low, high = result["intervals"]["accuracy"]
    # Clopper and Pearson: 0.025 ** (1 / 8).
    assert low == pytest.approx(0.6306, abs=1e-4)
    assert high == 1
    assert result["intervals"]["auc"] is None
    recall = result["per_class"]["a"]["intervals"]["recall"]
    assert recall[0] == pytest.approx(0.025 ** (1 / 3), abs=1e-4)
    assert result["per_class"]["a"]["intervals"]["f1"] is None


def test_groups_are_drawn_whole():
    groups = np.array([4, 4, 4, 9, 9, 1])
    for block in bootstrap.counts(6, 50, seed=0, groups=groups):
        assert block.shape == (6, 50)
        assert (block[0] == block[1]).all()
        assert (block[1] == block[2]).all()
        assert (block[3] == block[4]).all()
        assert (block[[0, 3, 5]].sum(axis=0) == 3).all()
    alone = bootstrap.counts(6, 50, seed=0, groups=np.arange(6))
    for one, other in zip(alone, bootstrap.counts(6, 50, seed=0), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", scores.SCALARS)
def test_with_groups_too_the_interval_is_that_of_resamples_scored_one_by_one(name):
    labels, p = guesses(40, 3)
    groups = np.arange(40) // 5
    drawn = []
    for block in bootstrap.counts(40, 120, 3, groups):
        for count in block.T.astype(int):
            rows = np.repeat(np.arange(40), count)
            drawn.append(scores.SCALARS[name](labels[rows], p[rows]))
    slow = np.array([np.nan if value is None else value for value in drawn])
    if name == "ece":
        slow = np.maximum(slow - slow.mean() + scores.ece(labels, p), 0)
    found = bootstrap.with_intervals(labels, p, "abc", seed=3, resamples=120, groups=groups)
    # Hesterberg 2015: of eight groups the tails lie further out than at 2.5 %.
    tail = 100 * stats.norm.cdf(-np.sqrt(8 / 7) * stats.t.ppf(0.975, 7))
    assert tail < 1
    expected = list(np.nanpercentile(slow, [tail, 100 - tail]))
    assert found["intervals"][name] == pytest.approx(expected)
    assert found["bootstrap"]["groups"] == 8


def test_pictures_that_are_right_or_wrong_together_are_worth_no_more_than_one():
    """Twenty patients of thirty pictures each, half of the patients right."""
    right = np.repeat(np.arange(20) % 2, 30)
    p = np.stack([1 - right, right], axis=1).astype(float)
    labels, groups = np.ones(600, int), np.arange(600) // 30

    def width(groups):
        low, high = bootstrap.with_intervals(labels, p, "ab", seed=0, groups=groups)["intervals"][
            "accuracy"
        ]
        return high - low

    assert 0.06 < width(None) < 0.1
    assert 0.35 < width(groups) < 0.6
    change = compare.paired(np.zeros(600), right - 0.4, seed=0)
    assert compare.verdict(change) == "better"
    assert (
        compare.verdict(compare.paired(np.zeros(600), right - 0.4, seed=0, groups=groups)) == "tie"
    )


def test_of_groups_that_are_all_right_the_groups_are_counted():
    labels, p = np.array([0, 1] * 10), np.array([[0.9, 0.1], [0.1, 0.9]] * 10)
    found = bootstrap.with_intervals(labels, p, "ab", seed=0, groups=np.arange(20) // 5)
    # Of four groups four: (0.05 / 2) ** (1 / 4).
    assert found["intervals"]["accuracy"] == pytest.approx([0.3976, 1], abs=1e-4)
    assert found["per_class"]["a"]["intervals"]["recall"] == pytest.approx([0.3976, 1], abs=1e-4)
    assert found["intervals"]["auc"] is None
    p[:5] = p[:5, ::-1]
    mixed = bootstrap.with_intervals(labels, p, "ab", seed=0, groups=np.arange(20) // 5)
    assert mixed["intervals"]["accuracy"] is None


@pytest.mark.parametrize("count", [1, 3, 6, 8, 20])
def test_few_groups_find_no_difference_where_there_is_none(count):
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(count), 10)
    verdicts = []
    for seed in range(200):
        noise = np.repeat(rng.normal(size=count), 10)
        change = compare.paired(np.zeros(len(noise)), noise, seed=seed, groups=groups)
        verdicts.append(compare.verdict(change))
    # Drawn as if they were many: 100 % of one, 26 % of three, 12 % of eight.
    assert 200 - verdicts.count("tie") <= (0 if count < bootstrap.FEW_GROUPS else 20)


def test_a_difference_is_told_with_what_there_is_of_it():
    few = compare.paired(np.zeros(20), np.ones(20), seed=0, groups=np.arange(20) // 10)
    assert compare.told(few) == "+1.0000, too few groups of pictures for an interval"
    many = compare.paired(np.zeros(20), np.arange(20) / 20, seed=0)
    assert re.fullmatch(r"\+0\.4750, 95 % interval \+0\.\d{4} to \+0\.\d{4}", compare.told(many))
    assert compare.told({"value": None, "low": None, "high": None}) == "undefined"
