"""The data section finds each planted fault, names it, and finds none where there is none."""

import json

import numpy as np
import pytest

from tests.audit.digits_subject import Subject, lay_out
from tlpipe.audit import data_quality, data_weakness
from tlpipe.audit.evidence.errors_why import SHORTCUT
from tlpipe.audit.finding import Section
from tlpipe.audit.gathered import Gathered
from tlpipe.audit.given.columns import Columns
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


def table(section, title):
    (found,) = (t for t in section.tables if t.title == title)
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


def test_what_a_shortcut_misleads_is_its_error_and_all_else_repeats_itself(section, faulty):
    before = section.facts["errors"]
    # All of one class say that they show its artefact; the errors are those called by its name.
    name = before["list"][-1][2]
    clue = {"class": name, "confirmed": True, "seen_in": faulty.paths("test")}
    found = Section(name="shortcuts", title="", findings=(), facts={"clues": [clue]})
    again = examine(faulty, found)
    misled = [r for r in before["list"] if r[2] == name and r[4] != "wrong label"]
    assert before["causes"][SHORTCUT] == 0
    assert again.facts["errors"]["causes"][SHORTCUT] == len(misled) > 0
    causes = {row[0]: row[4] for row in again.facts["errors"]["list"]}
    assert all(causes[row[0]] == SHORTCUT for row in misled)
    counted = [
        {r[0]: r[1] for r in table(s, "Errors by likely cause").rows} for s in (section, again)
    ]
    assert [rows[SHORTCUT] for rows in counted] == [None, len(misled)]
    first, second = (
        json.dumps({**s.facts, "errors": None}, allow_nan=False) for s in (section, again)
    )
    assert first == second


def test_many_wrong_labels_are_amber_and_no_more(faulty):
    class Swapped(Subject):
        def labels(self, part):
            labels = super().labels(part)
            if part == "test":
                labels[::2] = (labels[::2] + 1) % 3
            return labels

    chapter, check = data_quality.labels(Gathered.of(Swapped(faulty.manifest.root)))
    assert len(check.likely) > 0.09 * len(check.quality)
    assert chapter.findings[0].level == "amber"


def test_a_weak_slice_of_the_users_own_table_is_named(faulty, section):
    wrong = {row[0] for row in section.facts["errors"]["list"]}
    pictures = faulty.manifest.pictures
    right = [p.path for p in pictures if p.split == "test" and p.path not in wrong]
    camera = np.array([
        "B" if p.path in wrong or p.path in right[:30] else "A" if p.split == "test" else ""
        for p in pictures
    ])  # fmt: skip
    subject = Subject(faulty.manifest.root)
    subject.columns = Columns({"camera": camera}, camera != "", unknown=2)
    correct = subject.logits("test").argmax(axis=1) == subject.labels("test")
    again, weak = data_weakness.slices(Gathered.of(subject), correct, {})
    subject.columns = None
    before, _ = data_weakness.slices(Gathered.of(subject), correct, {})
    assert "camera=B" in {one.name for one in weak}
    (named,) = (f for f in again.findings if "camera=B" in f.sentence)
    assert named.level == "amber"
    total = len(wrong) + 30
    assert f"Pictures with camera=B: {30 / total:.0%} right" in named.sentence
    assert f"{total} pictures) against 100% of the rest" in named.sentence
    assert again.facts["slices"]["table"] == {
        "columns": ["camera"],
        "pictures": len(subject.rows("test")),
        "lines_about_no_picture": 2,
    }
    assert again.facts["slices"]["tested"] == before.facts["slices"]["tested"] + 2
    assert "table" not in before.facts["slices"]


def test_sound_data_raise_no_alarm(tmp_path):
    lay_out(tmp_path, faults=False)
    section = examine(Subject(tmp_path))
    assert finding(section, "data.leaks").level == "green"
    assert finding(section, "data.outliers").level == "green"
    assert finding(section, "data.balance").level == "green"
    assert section.facts["labels"]["likely_wrong"] / section.facts["labels"]["checked"] < 0.03
    assert section.facts["slices"]["weak"] == []
