"""What a section of the audit says: findings with their evidence, as data that JSON can hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Level = Literal["red", "amber", "green", "info"]
_ORDER: tuple[Level, ...] = ("red", "amber", "green", "info")
Cell = str | int | float | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Finding(_Part):
    """One thing that was found, in one sentence.

    Attributes:
        name: unique in the report, ``section.what``.
        level: ``red``: do not use the model before this is settled; ``amber``: know this before
            you use it; ``green``: looked for, and in order; ``info``: no judgement.
        sentence: with its figures, for a reader who knows nothing of the method.
        todo: what to do about it; empty when nothing.
        weight: orders findings of one level in the summary, 1 first.
    """

    name: str
    level: Level
    sentence: str
    todo: str = ""
    weight: Annotated[float, Field(ge=0, le=1)] = 0.5


class Table(_Part):
    """Rows of text and numbers; numbers keep their full precision, the page rounds them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Figure(_Part):
    """A plot: a whole SVG element as text, and in words what it shows."""

    title: str
    alt: str
    svg: str


class Thumbnail(_Part):
    """A small picture: WebP in base64, with a caption and, in words, what it shows."""

    caption: str
    alt: str
    webp: str


class Gallery(_Part):
    """Thumbnails under one heading."""

    title: str
    note: str = ""
    pictures: tuple[Thumbnail, ...]


class Section(_Part):
    """A chapter of the report.

    Attributes:
        name: of the section, as ``--sections`` takes it.
        title: its heading.
        findings: most important first; the first is the section's one-line finding.
        definition: what the figures mean and how they were made.
        reference: the papers.
        facts: everything measured, by name; what a machine reads.
        tables, figures, galleries: the evidence a person looks at.
    """

    name: str
    title: str
    findings: tuple[Finding, ...]
    definition: str = ""
    reference: str = ""
    facts: dict = {}
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    galleries: tuple[Gallery, ...] = ()

    @property
    def level(self) -> Level:
        """The worst level among the findings."""
        return worst(self.findings)


def worst(findings: tuple[Finding, ...]) -> Level:
    """Red before amber before green; ``info`` when nothing was judged."""
    return min((f.level for f in findings), key=_ORDER.index, default="info")


def ranked(findings: tuple[Finding, ...]) -> list[Finding]:
    """The worst first, and within a level the weightiest."""
    return sorted(findings, key=lambda f: (_ORDER.index(f.level), -f.weight, f.name))
