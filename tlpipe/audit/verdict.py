"""The verdict: what the sections' findings come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from tlpipe.audit.finding import Finding, Level, Section, ranked, worst

_SHOWN = 5
_SENTENCES: dict[Level, str] = {
    "red": "Do not use this model before the red findings are settled.",
    "amber": "Usable with care: know the amber findings first.",
    "green": "Nothing speaks against using this model on pictures like these.",
    "info": "Nothing was judged.",
}


class Verdict(BaseModel):
    """The summary.

    Attributes:
        level: the worst among all findings.
        conclusive: whether there were pictures enough to judge by.
        sentence: the verdict in words.
        counts: how many findings of each level, in words.
        findings: the five that matter most.
    """

    model_config = ConfigDict(frozen=True)

    level: Level
    conclusive: bool
    sentence: str
    counts: str
    findings: tuple[Finding, ...]


def verdict(
    sections: Sequence[Section], *, pictures: int, few: int, whole: int | None = None
) -> Verdict:
    """The verdict on a model.

    Args:
        sections: what was examined.
        pictures: how many the scores rest on.
        few: below this many it is inconclusive.
        whole: how many there would be without ``--limit``; the sentence says what was left out.
    """
    findings = tuple(f for section in sections for f in section.findings)
    level, counted = worst(findings), Counter(f.level for f in findings)
    conclusive = pictures >= few
    sentence = _SENTENCES[level]
    if not conclusive:
        sentence = f"Inconclusive: {pictures} pictures are too few to judge by (at least {few})."
    elif whole is not None and whole > pictures:
        sentence += f" Judged on {pictures} of {whole} pictures: a higher --limit proves more."
    return Verdict(
        level=level,
        conclusive=conclusive,
        sentence=sentence,
        counts=", ".join(f"{counted[name]} {name}" for name in _SENTENCES if counted[name]),
        findings=tuple(ranked(findings)[:_SHOWN]),
    )
