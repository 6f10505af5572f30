"""The report as a person reads it: one HTML file that needs no network and no script."""

from __future__ import annotations

from collections.abc import Sequence

from tlpipe.audit import sheet
from tlpipe.audit.document import Head
from tlpipe.audit.finding import Section
from tlpipe.audit.verdict import Verdict


def html(head: Head, verdict: Verdict, sections: Sequence[Section]) -> str:
    """The page; every name in it is escaped."""
    about = (
        f"{head.backbone}, {len(head.classes)} classes, {head.pictures} {head.part} pictures, "
        f"tlpipe {head.tlpipe}"
    )
    return sheet.html(f"Audit of {head.run}", about, verdict, sections)
