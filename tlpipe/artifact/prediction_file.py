"""Predictions as lines of CSV or JSON, written while they are made."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tlpipe.artifact.classifier import Prediction

FORMATS = ("csv", "jsonl")
# How many of the files that can't be read are named.
_NAMED = 10


@dataclass
class Tally:
    """What was written.

    Attributes:
        rows: predictions, the bad ones included.
        bad: files that could not be read.
        first_bad: the first ten of them.
    """

    rows: int = 0
    bad: int = 0
    first_bad: list[Prediction] = field(default_factory=list)


def header(format: str, class_names: Sequence[str]) -> bytes:
    """What stands above the rows: nothing in JSON Lines.

    Args:
        format: ``csv`` or ``jsonl``.
        class_names: what the probabilities are of; empty for a model that predicts a number.
    """
    if format == "jsonl":
        return b""
    return _csv(["path", "predicted", *(f"p:{name}" for name in class_names), "error"])


def write_rows(
    put: Callable[[bytes], object],
    predictions: Iterable[Prediction],
    format: str,
    class_names: Sequence[str],
) -> Tally:
    """Hands each prediction's line to ``put``, one by one, so that memory does not grow.

    Args:
        put: takes UTF-8. A file name that is not UTF-8 is written with backslash escapes.
        predictions: in the order of the rows.
        format: ``csv`` or ``jsonl``.
        class_names: in the order of the probabilities.
    """
    line = _json if format == "jsonl" else _row
    tally = Tally()
    for prediction in predictions:
        put(line(prediction, class_names))
        tally.rows += 1
        if prediction.error:
            tally.bad += 1
            if tally.bad <= _NAMED:
                tally.first_bad.append(prediction)
    return tally


def _row(p: Prediction, class_names: Sequence[str]) -> bytes:
    given = p.probabilities[: len(class_names)]
    numbers = [f"{x:.9g}" for x in given] or [""] * len(class_names)
    return _csv([p.path, p.label, *numbers, p.error])


def _csv(values: list[str]) -> bytes:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerow(values)
    return _utf8(sink.getvalue())


def _json(p: Prediction, class_names: Sequence[str]) -> bytes:
    row: dict[str, object] = {"path": p.path, "predicted": p.label}
    if class_names:
        row["probabilities"] = dict(zip(class_names, p.probabilities, strict=False))
    else:
        row["predicted"] = p.probabilities[0] if p.probabilities else None
    row["error"] = p.error
    return _utf8(json.dumps(row, ensure_ascii=False) + "\n")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
