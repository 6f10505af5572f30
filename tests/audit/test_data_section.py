"""The data section finds each planted fault, names it, and finds none where there is none."""

import json

import pytest

from tests.audit.digits_subject import Subject, lay_out
from tlpipe.audit.sections.data import examine


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    root = tmp_path_factory.mktemp("faulty")
    lay_out(root, faults=True)
    return Subject(root)


@pytest.fixture(scope="module")
def section(faulty):
    return examine(faulty)


def finding(section, name):
    (found,) = (f for f in section.findings if f.name == name)
    return found


def test_the_leak_is_red_and_shown(section):
    # One in 194 pictures is below the 1 % from which it is red.
    assert finding(section, "data.leaks").level == "amber"
    assert section.findings[0].name == "data.leaks"
    assert [row[0] for row in section.facts["leaks"]["list"]] == ["test/8/leak.jpg"]
    assert section.facts["leaks"]["list"][0][2] == "train/8/8_000.png"
    assert section.galleries[0].title == "The same picture in two parts"


def test_wrong_labels_are_listed_with_what_they_look_like(section):
    listed = {row[0]: row[3] for row in section.facts["labels"]["list"]}
    wrong = [path for path in listed if "/wrong_" in path]
    assert len(wrong) >= 5
    assert len(wrong) >= 0.8 * len(listed)
    digit = {"3": "<b>3", "8": "8", "9": "九"}
    assert all(digit[path.split("wrong_")[1][0]] == listed[path] for path in wrong)
    assert finding(section, "data.labels").level == "amber"
    assert sum(section.facts["labels"]["likely_wrong_by_part"].values()) == len(listed)


def test_the_strangers_are_the_strangest(section):
    audited = [row[0] for row in section.facts["outliers"]["list"] if row[1] == "test"]
    assert {f"test/8/strange_{i}.png" for i in range(4)} <= set(audited[:6])


def test_imbalance_is_said(section):
    assert section.facts["balance"]["ratio"] == 8
    assert finding(section, "data.balance").level == "amber"


def test_every_error_has_a_cause(section, faulty):
    errors = section.facts["errors"]
    wrong = faulty.logits("test").argmax(axis=1) != faulty.labels("test")
    assert sum(errors["causes"].values()) == len(errors["list"]) == wrong.sum()
    causes = {row[0]: row[4] for row in errors["list"]}
    mislabelled = [cause for path, cause in causes.items() if "/wrong_" in path]
    assert mislabelled.count("wrong label") >= 4


def test_rows_of_a_shortcut_are_given_as_its_errors_and_all_else_repeats_itself(section, faulty):
    before = section.facts["errors"]
    paths = {row[0] for row in before["list"] if row[4] != "wrong label"}
    rows = [int(r) for r in faulty.rows("test") if faulty.manifest.pictures[r].path in paths]
    again = examine(faulty, rows)
    assert before["causes"]["shortcut"] == 0
    assert again.facts["errors"]["causes"]["shortcut"] == len(paths) > 0
    first, second = (
        json.dumps({**s.facts, "errors": None}, allow_nan=False) for s in (section, again)
    )
    assert first == second


def test_sound_data_raise_no_alarm(tmp_path):
    lay_out(tmp_path, faults=False)
    section = examine(Subject(tmp_path))
    assert finding(section, "data.leaks").level == "green"
    assert finding(section, "data.outliers").level == "green"
    assert finding(section, "data.balance").level == "green"
    assert section.facts["labels"]["likely_wrong"] / section.facts["labels"]["checked"] < 0.03
    assert section.facts["slices"]["weak"] == []
