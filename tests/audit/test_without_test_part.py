"""What the audit says of scores: that they flatter without a test part, and how sure they are."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.audit.digits_subject import Subject, lay_out
from tlpipe.audit.sections import performance


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    root = tmp_path_factory.mktemp("sound")
    lay_out(root, faults=False)
    return Subject(root)


@pytest.mark.parametrize("part", ["test", "val"])
def test_scores_of_pictures_that_chose_the_model_are_said_to_flatter(subject, part, monkeypatch):
    monkeypatch.setattr(subject, "part", part, raising=False)
    monkeypatch.setattr(subject, "probabilities", probabilities(subject), raising=False)
    section = performance.examine(subject)
    flattered = [f.level for f in section.findings if f.name == "performance.validation"]
    assert flattered == (["amber"] if part == "val" else [])
    assert ("took no part in training or in any choice" in section.definition) == (part == "test")


@pytest.mark.parametrize(
    ("groups", "wrong", "level", "words"),
    [
        (6, 0, "green", "right on 100.0%"),
        (2, 1, "amber", "Their groups are too few to say how sure that is"),
    ],
)
def test_a_good_model_on_grouped_pictures_is_not_called_useless(
    subject, groups, wrong, level, words, monkeypatch
):
    labels = subject.labels("test")
    answers = np.eye(len(subject.names))[labels]
    answers[:wrong] = np.roll(answers[:wrong], 1, axis=1)
    grouped = {"groups": lambda rows: np.arange(len(rows)) % groups}
    known = {"indices": subject.manifest.indices, "pictures": subject.manifest.pictures}
    manifest = SimpleNamespace(**grouped, **known)
    monkeypatch.setattr(subject, "part", "test", raising=False)
    monkeypatch.setattr(subject, "manifest", manifest)
    monkeypatch.setattr(subject, "probabilities", lambda part: answers, raising=False)
    overall = performance.examine(subject).findings[0]
    assert overall.level == level
    assert words in overall.sentence


def probabilities(subject):
    from tlpipe.metrics.scores import softmax

    return lambda part: softmax(subject.logits(part))
