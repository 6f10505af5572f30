"""Each error of the model with its likely cause."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tlpipe.audit.chapter import Chapter
from tlpipe.audit.evidence import errors_why
from tlpipe.audit.evidence.slices import WeakSlice
from tlpipe.audit.finding import Finding, Table
from tlpipe.audit.gathered import Gathered
from tlpipe.metrics.scores import softmax

# Rows of the table, at most.
_LISTED = 50


def errors(
    data: Gathered,
    correct: np.ndarray,
    doubted: np.ndarray,
    strange: np.ndarray,
    weak: list[WeakSlice],
    shortcut_rows: Collection[int] | None,
) -> Chapter:
    """Each error of the audited part with its likely cause.

    Args:
        data: all parts.
        correct: bool (m,), of the audited pictures.
        doubted: bool (n,), of all pictures: the label is likely to be wrong.
        strange: bool (n,): outliers.
        weak: slices of the audited pictures.
        shortcut_rows: rows of the manifest that a confirmed artefact misleads the model on; None
            when artefacts were not looked for.
    """
    subject, audited = data.subject, data.audited
    p = softmax(subject.logits(subject.part) / subject.temperature)
    in_weak = np.zeros(len(correct), bool)
    for one in weak:
        in_weak[one.rows] = True
    causes = errors_why.likely_causes(
        ~correct,
        label=doubted[audited],
        shortcut=np.isin(data.rows[audited], list(shortcut_rows or ())),
        outlier=strange[audited],
        unsure=errors_why.ambiguous(p, margin=subject.settings.data.ambiguous_margin),
        slice_=in_weak,
    )
    counted = errors_why.counts(causes)
    labels, answers = data.labels[audited], p.argmax(axis=1)
    paths = subject.paths(subject.part)
    # The surest errors first: they have the most to say.
    order = sorted(causes, key=lambda row: (-p[row].max(), row))
    rows = tuple(
        (
            paths[row],
            subject.names[labels[row]],
            subject.names[answers[row]],
            float(p[row].max()),
            causes[row],
        )
        for row in order
    )
    return Chapter(
        findings=(_cause_finding(counted),),
        facts={"errors": {"causes": counted, "list": [list(row) for row in rows]}},
        tables=(
            Table(
                title="Errors by likely cause",
                columns=("cause", "errors", "meaning"),
                rows=tuple(
                    (name, None, "not looked for: the section on shortcuts was left out")
                    if name == errors_why.SHORTCUT and shortcut_rows is None
                    else (name, counted[name], why)
                    for name, why in errors_why.CAUSES.items()
                ),
            ),
            *(
                [
                    Table(
                        title="Errors, the surest first",
                        columns=("picture", "label", "answer", "confidence", "cause"),
                        rows=rows[:_LISTED],
                    )
                ]
                if rows
                else []
            ),
        ),
    )


def _cause_finding(counted: dict[str, int]) -> Finding:
    total = sum(counted.values())
    said = [f"{count} {name}" for name, count in counted.items() if count]
    return Finding(
        name="data.errors",
        level="info",
        sentence=f"Of {total} errors, by likely cause: {', '.join(said)}."
        if total
        else "It makes no error on these pictures.",
        weight=0.4,
    )
