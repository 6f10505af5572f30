"""The report as a machine reads it: ``report.json``, without pictures and plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tlpipe.audit.finding import Finding, Level, Section, Table
from tlpipe.audit.verdict import Verdict

SCHEMA = 1


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Head(_Closed):
    """What was audited."""

    run: str
    backbone: str
    classes: tuple[str, ...]
    part: Literal["test", "val"]
    pictures: int
    tlpipe: str


class Chapter(_Closed):
    """A section without what is only for the eye."""

    name: str
    title: str
    level: Level
    findings: tuple[Finding, ...]
    facts: dict[str, Any]
    tables: tuple[Table, ...]


class Document(_Closed):
    """``report.json``. ``schema_version`` rises whenever a reader of the old one could fail.

    Same run, same settings: the same bytes.
    """

    schema_version: Literal[1]
    head: Head
    verdict: Verdict
    sections: tuple[Chapter, ...]


def document(head: Head, verdict: Verdict, sections: Sequence[Section]) -> Document:
    """The report of these sections."""
    told = chapters(sections)
    return Document(schema_version=SCHEMA, head=head, verdict=verdict, sections=told)


def chapters(sections: Sequence[Section]) -> tuple[Chapter, ...]:
    """Sections without what is only for the eye."""
    wanted = Chapter.model_fields
    return tuple(Chapter(**{name: getattr(s, name) for name in wanted}) for s in sections)
