"""The trials as a table: in memory, and as ``trials.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlpipe.config.search import names
from tlpipe.pipeline.atomic import write_text
from tlpipe.search.values import Values


@dataclass
class Trial:
    """One trial, proposed or finished.

    Attributes:
        number: from 0.
        values: of the space's settings.
        epochs: where hyperband pauses step three; None for its end.
        after: the trial that hyperband goes on from.
        bar: what it must be able to reach; see :class:`tlpipe.search.trial.Spec`.
        status: ``running``, ``completed``, ``stopped`` or ``failed``.
        score: on validation; of the head where it was stopped.
        head_score: after step two.
        seconds: in its process; 0 for a repetition.
        memory_mb: most it took.
        reason: why it was stopped or failed.
        notes: what was done about trouble on the way.
        assignments: what it was run with.
    """

    number: int
    values: Values
    epochs: int | None = None
    after: int | None = None
    bar: dict[str, Any] | None = None
    status: str = "running"
    score: float | None = None
    head_score: float | None = None
    seconds: float = 0.0
    memory_mb: float = 0.0
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    assignments: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its folder below ``trials``."""
        return f"{self.number:04d}"

    def end(self, event: dict[str, Any]) -> None:
        """Takes over how it ended, as the journal has it."""
        for key, value in event.items():
            if key not in ("event", "number"):
                setattr(self, key, value)


def best_first(trials: Iterable[Trial], maximize: bool) -> list[Trial]:
    """Those that ran to their end, the best first; on a tie the earlier."""
    done = [trial for trial in trials if trial.status == "completed"]
    return sorted(done, key=lambda t: (-t.score if maximize else t.score, t.number))


def short(key: str) -> str:
    """A key of the space as it is shown: what two steps share goes without their names."""
    listed = names(key)
    fields = {name.partition(".")[2] for name in listed}
    return fields.pop() if len(listed) > 1 and len(fields) == 1 else key


def write_csv(path: Path, trials: Sequence[Trial], keys: Sequence[str]) -> None:
    """A row a trial: number, status, score, seconds, memory, what was tried, and the reason."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    head = ["trial", "status", "score", "head_score", "seconds", "memory_mb"]
    hyperband = any(trial.epochs is not None for trial in trials)
    paused = ["epochs", "after"] if hyperband else []
    writer.writerow([*head, *paused, *keys, "reason", "notes"])
    for t in sorted(trials, key=lambda t: t.number):
        numbers = [t.name, t.status, _cell(t.score), _cell(t.head_score), t.seconds, t.memory_mb]
        extra = [t.epochs or "", "" if t.after is None else f"{t.after:04d}"] if hyperband else []
        tried = [t.values.get(key, "") for key in keys]
        writer.writerow([*numbers, *extra, *tried, t.reason, "; ".join(t.notes)])
    write_text(path, sink.getvalue())


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
