"""Without a test part the audit says that its scores flatter."""

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


def probabilities(subject):
    from tlpipe.metrics.scores import softmax

    return lambda part: softmax(subject.logits(part))
