"""The section on shortcuts, around models that are a line of NumPy."""

import json
from contextlib import contextmanager

import numpy as np
import pytest

from tests.audit.crops import crops
from tlpipe.audit.finding import Section
from tlpipe.audit.sections import shortcuts
from tlpipe.config.audit import Audit

SIZE, NAMES = 72, ("apples", "<b>pears</b>", "plums")
PLACE = (slice(4, 20), slice(50, 66))


class Cut:
    """What the section asks of a subject: crops of two photographs, dealt to three classes."""

    names, seed, part, settings = NAMES, 0, "test", Audit()

    def __init__(self, change, model, astray=0):
        random = np.random.default_rng(0)
        self._parts, self.logits_of = {}, model
        for part, count in (("train", 90), ("val", 45), ("test", 45)):
            labels = np.arange(count) // 2 % 3
            pictures = crops(count, SIZE, random)
            for i in range(count):
                if labels[i] == 1 and i % 12:
                    pictures[i] = change(pictures[i])
            # Of another class some have it too, and are taken for class 1.
            for i in np.flatnonzero(labels == 2)[:astray] if part == "test" else ():
                pictures[i] = change(pictures[i])
            self._parts[part] = pictures, labels

    def rows(self, part):
        return np.arange(len(self.labels(part))) + {"train": 0, "val": 90, "test": 135}[part]

    def paths(self, part):
        return [f"{part}/{i}.png" for i in range(len(self.labels(part)))]

    def pictures(self, part):
        return self._parts[part][0]

    def labels(self, part):
        return self._parts[part][1]

    def logits(self, part):
        return self.logits_of(self.pictures(part))

    @contextmanager
    def progress(self, label):
        yield lambda done, total: None


class Few(Cut):
    """Without all but one training picture of the last class, and with few of the second."""

    def __init__(self):
        super().__init__(lambda picture: picture, lambda x: np.zeros((len(x), 3), np.float32))
        pictures, labels = self._parts["train"]
        kept = np.sort(np.concatenate([np.flatnonzero(labels == c)[:n] for c, n in COUNTS.items()]))
        self._parts["train"] = pictures[kept], labels[kept]


COUNTS = {0: 30, 1: 5, 2: 1}


def test_classes_of_few_pictures_are_named_and_stop_nothing():
    finding = next(f for f in shortcuts.examine(Few()).findings if f.name == "shortcuts.none")
    assert "Not judged, for want of pictures: '<b>pears</b>' and 'plums'" in finding.sentence
    assert finding.level == "green"


def mark():
    random = np.random.default_rng(7)
    coarse = random.integers(0, 2, (8, 8)) * 255
    return np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)[..., None].astype(np.uint8)


def with_mark(picture):
    out = picture.copy()
    out[PLACE] = mark()
    return out


def with_frame(picture):
    out = picture.copy()
    out[:4] = out[-4:] = out[:, :4] = out[:, -4:] = (30, 160, 40)
    return out


def _classes(evidence):
    """Class 1 by the evidence; the other two at an even lead."""
    even = np.zeros(len(evidence))
    return np.stack([even, evidence, even - 1], axis=1).astype(np.float32)


def uses_mark(pictures):
    wanted = mark()[..., 0].astype(np.float32)
    wanted -= wanted.mean()
    seen = pictures[(slice(None), *PLACE)].mean(axis=3)
    seen = seen - seen.mean(axis=(1, 2), keepdims=True)
    scale = np.sqrt((seen**2).sum(axis=(1, 2)) * (wanted**2).sum()) + 1
    return _classes(6 * (seen * wanted).sum(axis=(1, 2)) / scale - 2)


def uses_frame(pictures):
    near = np.abs(pictures[:, 1, :].astype(int) - (30, 160, 40)).mean(axis=(1, 2)) < 5
    return _classes(np.where(near, 4.0, -3.0))


def uses_texture(pictures):
    return _classes(pictures[:, 40:60, 20:50].std(axis=(1, 2, 3)) / 30)


@pytest.fixture(
    scope="module",
    params=[(with_mark, uses_mark, "mark"), (with_frame, uses_frame, "frame")],
    ids=["mark", "frame"],
)
def used(request):
    """A subject whose model goes by an artefact, what was found, and the artefact's kind."""
    change, model, kind = request.param
    subject = Cut(change, model, astray=2)
    return subject, shortcuts.examine(subject), kind


def test_an_artefact_the_model_uses_is_red_and_names_the_class(used):
    _, section, kind = used
    assert section.level == "red"
    first = section.findings[0]
    assert f"'{NAMES[1]}'" in first.sentence
    assert ". Where it is" in first.sentence
    lead = section.facts["usual_lead"]
    assert f"The model's best class usually leads by {lead:.1f}." in first.sentence
    assert first.todo
    red = [clue for clue in section.facts["clues"] if clue["confirmed"]]
    assert {clue["class"] for clue in red} == {NAMES[1]}
    assert kind in {clue["kind"] for clue in red}
    assert red[0]["removal"]["flips"] > 0.5
    assert len(section.galleries) == len(section.facts["clues"])
    assert section.galleries[0].pictures


def test_pictures_that_show_it_are_kept_and_those_it_misleads_are_its_errors(used):
    subject, section, _ = used
    labels = subject.labels("test")
    planted = {i for i in np.flatnonzero(labels == 1) if i % 12}
    astray = set(np.flatnonzero(labels == 2)[:2])
    clue = next(clue for clue in section.facts["clues"] if clue["confirmed"])
    shown = {int(path.split("/")[1].split(".")[0]) for path in clue["seen_in"]}
    assert all(path.startswith("test/") for path in clue["seen_in"])
    assert len(shown & (planted | astray)) >= 0.8 * len(planted | astray)
    assert len(shown - planted - astray) <= 2
    # Kept as JSON and read again, as when a report was stopped.
    kept = Section.model_validate_json(section.model_dump_json())
    rows = shortcuts.misled(subject, kept)
    answers = subject.logits("test").argmax(axis=1)
    assert {135 + i for i in astray} <= set(rows)
    assert all(answers[row - 135] == 1 for row in rows)
    unconfirmed = {**clue, "confirmed": False}
    other = section.model_copy(update={"facts": {"clues": [unconfirmed]}})
    assert shortcuts.misled(subject, other) == []


def test_an_artefact_the_model_ignores_is_information_only():
    section = shortcuts.examine(Cut(with_mark, uses_texture))
    assert section.level == "green"
    clue = next(f for f in section.findings if "a small mark" in f.sentence)
    assert clue.level == "info"
    assert "does not hang on it" in clue.sentence
    assert NAMES[1] in clue.sentence


def test_of_one_that_moves_the_model_a_little_that_is_said():
    def mostly_texture(pictures):
        return 4 * uses_texture(pictures) + uses_mark(pictures) / 8

    section = shortcuts.examine(Cut(with_mark, mostly_texture))
    assert section.level == "green"
    clue = next(f for f in section.findings if "a small mark" in f.sentence)
    assert clue.level == "info"
    assert "moves the model a little" in clue.sentence


def test_clean_pictures_raise_no_alarm():
    section = shortcuts.examine(Cut(lambda picture: picture, uses_texture))
    assert section.level == "green"
    assert section.facts["clues"] == []


def test_facts_are_json_and_the_same_each_time(used):
    subject, section, _ = used
    again = shortcuts.examine(subject)
    first, second = (json.dumps(one.facts, allow_nan=False) for one in (section, again))
    assert first == second
