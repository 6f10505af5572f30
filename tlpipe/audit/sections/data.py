"""Section 7: what in the data misleads the model."""

from __future__ import annotations

import numpy as np

from tlpipe.audit import data_errors, data_quality, data_weakness
from tlpipe.audit.finding import Section, ranked
from tlpipe.audit.gathered import Gathered
from tlpipe.audit.sections.shortcuts import misled
from tlpipe.audit.subject import Subject

_DEFINITION = (
    "Leaks: each held-out picture against its likes in the other parts, pixel by pixel after an "
    "alignment. Wrong labels: confident learning; each picture's class is judged from the "
    "network's features by all other pictures but its duplicates, and the label quality is the "
    "probability that the label gets. A fine-tuned network has seen the labels of its training "
    "pictures, so there some errors go unseen. Outliers: the mean distance to the five nearest "
    "training pictures in the network's features, robust z of its logarithm. Properties: area "
    "under the ROC curve. Weak slices: quarters of properties, what the manifest and a table given "
    "with `--table` say, and clusters of look-alikes; weak when the 95 % interval lies below the "
    "overall accuracy and the test against the rest passes at a false discovery rate of 5 %. Each "
    "error has the first cause that applies, in the order of the table."
)
_REFERENCE = (
    "Northcutt et al. 2021 (confident learning); Sun et al. 2022 (nearest neighbours); Iglewicz "
    "and Hoaglin 1993 (robust z); Wilson 1927; Benjamini and Hochberg 1995; Evangelidis and "
    "Psarakis 2008 (alignment)"
)


def examine(subject: Subject, shortcuts: Section | None = None) -> Section:
    """Leaks, labels, outliers, balance, properties, weak slices, and each error's cause.

    Args:
        subject: what is audited.
        shortcuts: what that section found, whose pictures are then a cause of errors.
    """
    data = Gathered.of(subject)
    correct = data.labels[data.audited] == subject.logits(subject.part).argmax(axis=1)
    leaks = data_quality.leaks(data)
    labels, check = data_quality.labels(data)
    outliers, strange = data_quality.outliers(data)
    properties, measured = data_weakness.properties(data, correct)
    slices, weak = data_weakness.slices(data, correct, measured)
    doubted = np.isin(np.arange(len(data.labels)), check.likely)
    shortcut_rows = None if shortcuts is None else misled(subject, shortcuts)
    errors = data_errors.errors(data, correct, doubted, strange, weak, shortcut_rows)
    balance = data_quality.balance(data)
    chapters = (leaks, labels, outliers, properties, slices, errors, balance)
    return Section(
        name="data",
        title="Data",
        findings=tuple(ranked(tuple(f for chapter in chapters for f in chapter.findings))),
        definition=_DEFINITION,
        reference=_REFERENCE,
        facts={key: value for chapter in chapters for key, value in chapter.facts.items()},
        tables=tuple(table for chapter in chapters for table in chapter.tables),
        galleries=tuple(gallery for chapter in chapters for gallery in chapter.galleries),
    )
