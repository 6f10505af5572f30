"""The trials as a person sees them come: a live table, or a line a trial in a file or a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tlpipe.config.search import SearchFile
from tlpipe.search.record import Trial, best_first, short
from tlpipe.search.trial import Result
from tlpipe.search.values import text_of
from tlpipe.terminal import print_plain
from tlpipe.words import counted

BEST = 5


class Screen:
    """Shows a search on ``console``; used as a context manager."""

    def __init__(self, console: Console, file: SearchFile, maximize: bool):
        self._console, self._file, self._maximize = console, file, maximize
        self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def ended(self, trial: Trial) -> None:
        """A line for a trial that ended."""
        score = "" if trial.score is None else f" {self._file.search.objective} {trial.score:.4f}"
        why = f" ({trial.reason})" if trial.reason else ""
        line = f"trial {trial.name} {trial.status}{score} in {clock(trial.seconds)}{why}"
        print_plain(self._console, line, None if trial.status == "completed" else "yellow")
        for note in trial.notes:
            print_plain(self._console, f"  {note}", "yellow")

    def confirming(self, count: int, seconds: float) -> None:
        """Says what the leaders are run again for, before it takes its time: ``seconds`` in all."""
        what = counted(count, "run")
        line = f"how much of this is luck: {what} with other seeds, about {clock(seconds)}"
        print_plain(self._console, line)

    def confirmed(self, name: str, seed: int, result: Result) -> None:
        """A line for a leader that was run again."""
        score = "failed" if result.score is None else f"{result.score:.4f}"
        why = f" ({result.reason})" if result.reason else ""
        line = f"confirm {name} with seed {seed}: {score} in {clock(result.seconds)}{why}"
        print_plain(self._console, line)

    def show(self, trials: Sequence[Trial], running: dict[int, str]) -> None:
        """The table of the moment: the best, and what runs, with its last line."""
        if not self._console.is_terminal:
            return
        self._live.update(self._table(trials, running), refresh=True)

    def _table(self, trials: Sequence[Trial], running: dict[int, str]) -> Table:
        table = Table(title=self._title(trials), title_justify="left", expand=True)
        table.add_column("trial", no_wrap=True)
        table.add_column(self._file.search.objective, justify="right", no_wrap=True)
        table.add_column("time", justify="right", no_wrap=True)
        table.add_column("values", ratio=1)
        # What runs stands first: of a table higher than the screen the end is cut off.
        for number, line in sorted(running.items()):
            trial = trials[number]
            state = Text(f"{self.values(trial)}\n{line}", style="cyan")
            table.add_row(trial.name, "...", "", state)
        for trial in best_first(trials, self._maximize)[:BEST]:
            row = (trial.name, f"{trial.score:.4f}", clock(trial.seconds), self.values(trial))
            table.add_row(*row)
        return table

    def _title(self, trials: Sequence[Trial]) -> str:
        ended = [trial for trial in trials if trial.status != "running"]
        failed = sum(trial.status == "failed" for trial in ended)
        search = self._file.search
        known = search.tuner != "hyperband"
        text = f"{len(ended)} of {search.trials} trials" if known else f"{len(ended)} trials"
        text += f" ended, {failed} failed" if failed else " ended"
        timed = [trial.seconds for trial in ended if trial.seconds]
        left = search.trials - len(ended)
        if known and timed and left:
            seconds = sum(timed) / len(timed) * left / search.workers
            text += f", about {clock(seconds)} left"
        more = (search.leaders + 1) * search.confirm
        return text + (f", then {counted(more, 'run')} with other seeds" if more else "")

    def values(self, trial: Trial) -> str:
        """What is tried in a trial, in one line."""
        shown = [f"{short(k)}={text_of(k, v, self._file.space)}" for k, v in trial.values.items()]
        return "  ".join(shown + ([f"epochs={trial.epochs}"] if trial.epochs else []))


def clock(seconds: float) -> str:
    """Seconds as 12 s, 3:04 or 1:02:03.

    >>> clock(12.3), clock(184), clock(3723)
    ('12 s', '3:04', '1:02:03')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def relative(path: Path) -> str:
    """A path as a person would type it here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
