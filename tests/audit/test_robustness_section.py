"""The robustness section tells what a model bears from what it does not."""

import json

import numpy as np
import pytest

from tests.audit.digits_subject import Subject, lay_out
from tlpipe.audit.evidence.alterations import ALTERATIONS
from tlpipe.audit.sections.robustness import examine


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    root = tmp_path_factory.mktemp("sound")
    lay_out(root, faults=False)
    return Subject(root)


@pytest.fixture(scope="module")
def section(subject):
    return examine(subject)


def test_a_model_of_pixels_bears_gray_and_noise_but_no_shift(section):
    levels = {f.name: f.level for f in section.findings}
    assert levels.get("robustness.translation") in ("amber", "red")
    assert "robustness.gray" not in levels
    assert "robustness.noise" not in levels


def test_what_helps_is_named(section):
    found = {f.name: f.todo for f in section.findings}
    assert "prepare.strength" in found["robustness.translation"]
    assert section.facts["advice"]


def test_flips_and_accuracy_are_those_of_the_model(subject, section):
    facts = section.facts
    assert set(facts["alterations"]) == set(ALTERATIONS)
    assert facts["pictures"] == 64
    for rows in facts["alterations"].values():
        assert [row["severity"] for row in rows] == [1, 2, 3, 4, 5]
        for row in rows:
            assert row["accuracy"] == pytest.approx(facts["accuracy"] - row["drop"])
            assert row["flips"] >= abs(row["drop"]) - 1e-9
    gray = facts["alterations"]["gray"][4]
    assert gray["flips"] <= 0.05


def test_each_class_has_its_share_and_the_facts_repeat_themselves(subject, section):
    again = examine(subject)
    assert json.dumps(again.facts, allow_nan=False) == json.dumps(section.facts)
    assert again.figures[0].svg == section.figures[0].svg


def test_a_model_that_answers_always_the_same_bears_everything(subject):
    same = Subject(subject.manifest.root)
    same.logits_of = lambda x: np.tile(np.float32([0, 1, 0]), (len(x), 1))
    section = examine(same)
    assert [f.level for f in section.findings] == ["green"]
    assert all(r["flips"] == 0 for rows in section.facts["alterations"].values() for r in rows)
