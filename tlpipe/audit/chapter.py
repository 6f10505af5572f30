"""A part of a section: some findings with the evidence that belongs to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tlpipe.audit.finding import Finding, Gallery, Table


@dataclass(frozen=True)
class Chapter:
    """What one examination of several in a section found.

    Attributes:
        findings: most important first.
        facts: what was measured, ready for JSON.
        tables: the evidence in figures.
        galleries: the evidence in pictures.
    """

    findings: tuple[Finding, ...]
    facts: dict = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    galleries: tuple[Gallery, ...] = ()
