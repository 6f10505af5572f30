"""Findings come to a verdict, worst first; what is written is what was found."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from tlpipe.audit.attributed import border_area, border_share
from tlpipe.audit.document import Document, Head, document
from tlpipe.audit.finding import Finding, Section, Table
from tlpipe.audit.page import html
from tlpipe.audit.sections.looks import worst_classes
from tlpipe.audit.thumbnails import webp
from tlpipe.audit.verdict import verdict

HEAD = Head(run="a & b", backbone="lite", classes=("x", "y"), part="test", pictures=40, tlpipe="0")


def finding(name, level, weight=0.5):
    return Finding(name=name, level=level, sentence=f"It is {name}.", weight=weight)


def section(*findings, **more):
    return Section(name="one", title="One", findings=findings, **more)


def test_the_worst_comes_first_and_five_are_shown():
    levels = ["info", "green", "amber", "red", "amber", "green", "red"]
    found = [finding(f"one.{i}", level, i / 10) for i, level in enumerate(levels)]
    result = verdict([section(*found)], pictures=100, few=30)
    assert [f.name for f in result.findings] == ["one.6", "one.3", "one.4", "one.2", "one.5"]
    assert result.level == "red"
    assert result.counts == "2 red, 2 amber, 2 green, 1 info"


@pytest.mark.parametrize(
    ("level", "word"), [("red", "Do not"), ("amber", "care"), ("green", "Not")]
)
def test_the_sentence_follows_the_level(level, word):
    result = verdict([section(finding("a", level))], pictures=100, few=30)
    assert word in result.sentence
    assert result.conclusive


def test_it_says_when_pictures_were_left_out():
    found = [section(finding("a", "green"))]
    assert "Judged on 100 of 393" in verdict(found, pictures=100, few=30, whole=393).sentence
    assert "Judged" not in verdict(found, pictures=393, few=30, whole=393).sentence


def test_too_few_pictures_are_inconclusive():
    result = verdict([section(finding("a", "red"))], pictures=29, few=30)
    assert not result.conclusive
    assert result.sentence.startswith("Inconclusive: 29 pictures")


def test_the_document_reads_back_and_refuses_what_is_not_json():
    part = section(
        finding("one.a", "green"),
        facts={"value": 0.123456789012},
        tables=(Table(title="t", columns=("a", "b"), rows=(("x", 1.5), ("y", None))),),
    )
    made = document(HEAD, verdict([part], pictures=40, few=30), [part])
    text = made.model_dump_json()
    assert Document.model_validate_json(text) == made
    assert json.loads(text)["schema_version"] == 1
    assert json.loads(text)["sections"][0]["facts"]["value"] == 0.123456789012
    with pytest.raises(ValidationError):
        Document.model_validate({**json.loads(text), "more": 1})
    with pytest.raises(ValidationError):
        Table(title="t", columns=("a",), rows=((float("nan"),),))


def test_names_are_harmless_on_the_page():
    evil = "<img src=x onerror=alert(1)>"
    part = section(
        Finding(name="one.a", level="amber", sentence=f"Class {evil}.", todo=evil),
        tables=(Table(title=evil, columns=(evil,), rows=((evil,), ("中文",))),),
    )
    page = html(HEAD, verdict([part], pictures=40, few=30), [part])
    assert evil not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "中文" in page
    assert "a &amp; b" in page
    assert "<script" not in page


def test_the_share_of_the_border():
    maps = np.zeros((3, 20, 20))
    maps[0, 0, 0] = 1
    maps[1, 10, 10] = 1
    maps[2] = 1
    np.testing.assert_allclose(border_share(maps, 0.1), [1, 0, border_area(0.1)])
    assert border_area(0.1) == pytest.approx(0.36)
    assert border_share(np.zeros((1, 20, 20)), 0.1) == 0


def test_thumbnails_are_small_webp():
    import base64
    from io import BytesIO

    from PIL import Image

    picture = np.random.default_rng(0).integers(0, 255, (200, 100, 1), "uint8")
    data = base64.b64decode(webp(picture, side=50))
    image = Image.open(BytesIO(data))
    assert image.format == "WEBP"
    assert image.size == (25, 50)


def test_of_many_classes_those_found_least_often_are_shown():
    labels = np.repeat(np.arange(4), 5)
    answers = labels.copy()
    answers[5:9], answers[15] = 0, 0
    assert worst_classes(labels, answers, 5, 2) == [1, 3]
    assert worst_classes(labels, answers, 5, 9) == [0, 1, 2, 3, 4]
