"""Wrong labels among real handwritten digits: found, named, and never confirmed by their copies."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tlpipe.audit.evidence import out_of_fold as module
from tlpipe.audit.evidence.labels import check_labels
from tlpipe.audit.evidence.out_of_fold import group_numbers, out_of_fold


@pytest.fixture(scope="module")
def digits():
    """800 digits: pixels as features, labels."""
    data = load_digits()
    return data.data[:800], data.target[:800]


def flipped(labels, share, seed):
    stream = np.random.default_rng(seed)
    turned = stream.choice(len(labels), round(share * len(labels)), replace=False)
    wrong = labels.copy()
    wrong[turned] = (labels[turned] + stream.integers(1, 10, len(turned))) % 10
    return wrong, turned


@pytest.fixture(scope="module")
def checked(digits):
    features, right = digits
    labels, turned = flipped(right, 0.05, seed=0)
    p = out_of_fold(features, labels, np.arange(len(labels)), 10)
    return labels, turned, p, check_labels(labels, p)


def test_most_flipped_labels_are_in_the_first_tenth_with_the_right_class_suggested(digits, checked):
    labels, turned, _, check = checked
    first = check.ranked[: len(labels) // 10]
    assert np.isin(turned, first).mean() >= 0.9
    assert (check.suggested[turned] == digits[1][turned]).mean() >= 0.9
    assert np.isin(check.likely, turned).mean() >= 0.9
    assert np.isin(turned, check.likely).mean() >= 0.6
    assert set(check_labels(labels, checked[2], margin=0.9).likely) < set(check.likely)


def test_quality_ranks_and_is_a_share(checked):
    labels, turned, _, check = checked
    assert check.quality.min() >= 0
    assert check.quality.max() <= 1
    assert (np.diff(check.quality[check.ranked]) >= 0).all()
    right = np.setdiff1d(np.arange(len(labels)), turned)
    assert np.median(check.quality[turned]) < 0.2 < np.median(check.quality[right])


def test_joint_is_near_the_true_one(digits, checked):
    labels, _, _, check = checked
    assert check.joint.sum() == pytest.approx(1)
    assert check.joint.sum(axis=1) == pytest.approx(np.bincount(labels) / len(labels))
    assert 1 - np.trace(check.joint) == pytest.approx(0.05, abs=0.03)


def test_out_of_fold_is_deterministic_and_honest(digits):
    features, labels = digits
    groups = np.arange(len(labels))
    p = out_of_fold(features, labels, groups, 10)
    assert (p == out_of_fold(features, labels, groups, 10)).all()
    assert p.sum(axis=1) == pytest.approx(np.ones(len(p)))
    assert (p.argmax(axis=1) == labels).mean() > 0.9
    # Nothing can be learned from labels that say nothing.
    noise = np.random.default_rng(0).integers(0, 10, len(labels))
    p = out_of_fold(features, noise, groups, 10)
    assert (p.argmax(axis=1) == noise).mean() < 0.2


def test_copies_of_a_wrongly_labelled_picture_do_not_confirm_one_another(digits):
    features, right = digits
    features, labels = features[:300], right[:300].copy()
    labels[:12] = (labels[:12] + 1) % 10
    # Twelve wrong labels, six times each, under one name each.
    features = np.concatenate([features, *[features[:12]] * 5])
    labels = np.concatenate([labels, *[labels[:12]] * 5])
    names = [f"g{i}" if i < 12 else "" for i in range(300)] + [f"g{i}" for i in range(12)] * 5
    wrong = np.r_[0:12, 300:360]

    def found(groups):
        p = out_of_fold(features, labels, groups, 10)
        return np.isin(wrong, check_labels(labels, p).likely).mean()

    assert found(group_numbers(names)) > 0.6
    assert found(np.arange(360)) < 0.3


def test_a_class_with_one_picture_and_one_with_none(digits):
    features, labels = digits
    rows = np.r_[np.flatnonzero(labels < 3)[:90], np.flatnonzero(labels == 7)[:1]]
    p = out_of_fold(features[rows], labels[rows], np.arange(91), 10)
    check = check_labels(labels[rows], p)
    assert np.isfinite(p).all()
    assert (p[:, 9] == 0).all()
    assert check.joint[9].sum() == 0
    assert check.joint.sum() == pytest.approx(1)


def test_many_pictures_are_judged_in_parts_that_keep_groups_together(digits, monkeypatch):
    features, labels = digits
    groups = np.arange(len(labels)) // 2
    whole = out_of_fold(features, labels, groups, 10)
    monkeypatch.setattr(module, "_MOST", 300)
    parts = out_of_fold(features, labels, groups, 10, seed=1)
    assert (parts == out_of_fold(features, labels, groups, 10, seed=1)).all()
    assert (parts != whole).any()
    assert (parts.argmax(axis=1) == labels).mean() > 0.9


def test_it_is_what_leaving_each_group_out_gives(digits):
    """The closed form against a plain loop that fits anew without each group."""
    x, labels = digits[0][:60], digits[1][:60]
    groups = np.arange(60) // 3
    like, targets = module._likeness(x), np.eye(10)[labels]
    expected = np.empty_like(targets)
    for group in range(20):
        known, asked = groups != group, groups == group
        kernel = like[np.ix_(known, known)] + 1 + module._RIDGE * np.eye(57)
        expected[asked] = (like[np.ix_(asked, known)] + 1) @ np.linalg.solve(kernel, targets[known])
    assert module._ridge(like, targets, groups) == pytest.approx(expected, abs=1e-9)


def test_one_class_is_refused(digits):
    with pytest.raises(ValueError, match="nothing to learn"):
        out_of_fold(digits[0][:20], np.zeros(20, int), np.arange(20), 2)


def test_group_numbers():
    assert group_numbers(["a", "", "b", "a", ""]).tolist() == [0, 1, 2, 0, 3]
