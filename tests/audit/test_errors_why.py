"""Every error has one cause, and the order of causes decides between several."""

import numpy as np
import pytest

from tlpipe.audit.evidence.errors_why import CAUSES, ambiguous, counts, likely_causes

SIGNS = ("label", "shortcut", "outlier", "unsure", "slice_")


def causes_of(wrong, **signs):
    none = np.zeros(len(wrong), bool)
    given = {name: np.asarray(signs.get(name, none), bool) for name in SIGNS}
    return likely_causes(np.asarray(wrong, bool), **given)


@pytest.mark.parametrize(("sign", "cause"), list(zip(SIGNS, CAUSES, strict=False)))
def test_each_sign_names_its_cause(sign, cause):
    assert causes_of([1, 1], **{sign: [0, 1]}) == {0: "unexplained", 1: cause}


def test_the_first_cause_in_order_wins():
    everything = {name: [1] for name in SIGNS}
    for name, cause in zip(SIGNS, CAUSES, strict=False):
        assert causes_of([1], **everything) == {0: cause}
        everything[name] = [0]
    assert causes_of([1], **everything) == {0: "unexplained"}


def test_right_predictions_have_no_cause():
    assert causes_of([0, 1, 0], label=[1, 1, 1]) == {1: "wrong label"}


def test_counts_hold_every_cause_and_sum_to_the_errors():
    found = counts(causes_of([1, 1, 0, 1], outlier=[1, 0, 1, 1]))
    assert list(found) == list(CAUSES)
    assert found["out of distribution"] == 2
    assert found["unexplained"] == 1
    assert sum(found.values()) == 3


def test_ambiguous_is_a_small_margin_or_a_high_entropy():
    p = np.array(
        [
            [0.55, 0.45, 0.0, 0.0],  # nearly tied
            [0.7, 0.3, 0.0, 0.0],
            [0.46, 0.18, 0.18, 0.18],  # clear, but spread over all
            [1.0, 0.0, 0.0, 0.0],
        ]
    )
    assert ambiguous(p).tolist() == [True, False, True, False]
    assert ambiguous(p, margin=0.5, entropy=1.0).tolist() == [True, True, True, False]
