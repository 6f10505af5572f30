"""The whole check: every section in its order, the page and the document."""

from __future__ import annotations

from dataclasses import dataclass

from tlpipe import __version__
from tlpipe.audit import sheet
from tlpipe.audit.document import chapters
from tlpipe.audit.finding import Section
from tlpipe.audit.verdict import Verdict
from tlpipe.check import (
    classes,
    duplicates,
    files,
    number,
    parts,
    pictures,
    properties,
    several,
)
from tlpipe.check.document import Document, verdict
from tlpipe.check.subject import Bar, Subject, gather
from tlpipe.config.settings import Pipeline
from tlpipe.config.source import name_of
from tlpipe.words import counted

_TARGETS = {"class": classes, "labels": several, "number": number}


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes:
        subject: what was looked at.
        sections: in their fixed order.
        verdict: what they come to.
    """

    subject: Subject
    sections: tuple[Section, ...]
    verdict: Verdict

    @property
    def about(self) -> str:
        """What was looked at, in a line."""
        subject = self.subject
        names = len(subject.listing.class_names)
        of = f" of {counted(names, 'class')}" if subject.target == "class" else ""
        each = {"class": "", "labels": ", several labels each", "number": ", a number each"}
        pictures = counted(len(subject.pictures), "picture")
        return f"{pictures}{of} in {subject.data}{each[subject.target]}"

    def html(self) -> str:
        """The page."""
        title = f"Check of {name_of(self.subject.data)}"
        about = f"{self.about}, tlpipe {__version__}"
        return sheet.html(title, about, self.verdict, self.sections)

    def document(self) -> Document:
        """What ``--json`` writes."""
        return Document(
            tlpipe=__version__,
            data=self.subject.data,
            target=self.subject.target,
            pictures=len(self.subject.pictures),
            level=self.verdict.level,
            sentence=self.verdict.sentence,
            sections=chapters(self.sections),
        )


def check(settings: Pipeline, bar: Bar) -> Check:
    """Look for what is wrong with the data that ``settings`` name; nothing is written.

    Args:
        settings: of the stages ``scan``, ``split`` and ``backbone``.
        bar: makes a progress bar with a title; what it yields takes (done, total).

    Raises:
        ConfigError: no data were named, or the groups' expression matches nothing.
        DataError: they are not there, or changed meanwhile.
    """
    subject = gather(settings, bar)
    # Without pictures there is nothing else to look at.
    rest = (_TARGETS[subject.target], parts, duplicates, pictures, properties)
    rooms = (files, *(rest if subject.pictures else ()))
    sections = tuple(room.examine(subject) for room in rooms)
    return Check(subject, sections, verdict(sections))
