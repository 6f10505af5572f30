"""The check as a machine reads it, without pictures and plots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tlpipe.audit.document import Chapter
from tlpipe.audit.finding import Level, Section, ranked, worst
from tlpipe.audit.verdict import Verdict

SCHEMA = 1
_SHOWN = 5
_SENTENCES: dict[Level, str] = {
    "red": "Settle the red findings before training on these data.",
    "amber": "Fit to train on; know the amber findings first.",
    "green": "Nothing is wrong with these data that can be seen without training.",
    "info": "Nothing was judged.",
}


class Document(BaseModel):
    """``tlpipe check --json``. Same data, same settings: the same bytes.

    Attributes:
        schema_version: rises whenever a reader of the old one could fail.
        tlpipe: the version.
        data: as the user named them.
        target: what a label is.
        pictures: how many can be read.
        level: the worst among the findings.
        sentence: the verdict in words.
        sections: the chapters, always in the same order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = SCHEMA
    tlpipe: str
    data: str
    target: Literal["class", "labels", "number"]
    pictures: int
    level: Level
    sentence: str
    sections: tuple[Chapter, ...]


def verdict(sections: Sequence[Section]) -> Verdict:
    """What the findings come to."""
    findings = tuple(finding for section in sections for finding in section.findings)
    level, count = worst(findings), Counter(finding.level for finding in findings)
    return Verdict(
        level=level,
        conclusive=True,
        sentence=_SENTENCES[level],
        counts=", ".join(f"{count[name]} {name}" for name in _SENTENCES if count[name]),
        findings=tuple(f for f in ranked(findings) if f.level in ("red", "amber"))[:_SHOWN],
    )
