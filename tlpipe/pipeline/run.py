"""The run folder: where things lie, who holds it, what is done, and the log."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tlpipe.config.settings import Pipeline
from tlpipe.pipeline import interrupt
from tlpipe.pipeline.atomic import read_json, write_json, write_text
from tlpipe.pipeline.lock import holding
from tlpipe.terminal import print_plain

STATE = "stages/state.json"
Advance = Callable[[int, int], None]


def finish_command(folder: Path) -> str:
    """The command that goes on with the run in ``folder``, whatever flags began it."""
    config, out = (shlex.quote(str(path)) for path in (folder / "config.yaml", folder))
    return f"tlpipe run {config} --out {out}"


def keyed_folder(folder: Path, key: str) -> Path:
    """The folder, emptied when what lies there was made under another key."""
    marker = folder / "key"
    if folder.exists() and (not marker.exists() or marker.read_text() != key):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not marker.exists():
        write_text(marker, key)
    return folder


class Run:
    """A run folder with its pipeline and the console it reports to.

    Layout: artifacts at the top, ``stages/NAME/`` for a stage's own files, ``stages/state.json``
    for the keys of what is finished, ``stages/journal.jsonl`` for what happened when, ``log.txt``.
    """

    def __init__(self, folder: Path, pipeline: Pipeline, console: Console | None = None):
        self.folder = Path(folder)
        self.pipeline = pipeline
        self.seed = pipeline.seed
        self.console = console or Console(quiet=True)

    def path(self, name: str) -> Path:
        """Where the artifact ``name`` lies."""
        return self.folder / name

    def scratch(self, stage: str, key: str) -> Path:
        """The stage's own folder, emptied when what lies there was made under another key."""
        return keyed_folder(self.folder / "stages" / stage, key)

    def state(self) -> dict[str, dict[str, Any]]:
        """Finished stages: ``{name: {"key", "summary", "seconds"}}``."""
        path = self.path(STATE)
        return read_json(path) if path.exists() else {}

    def record(self, stage: str, entry: dict[str, Any] | None) -> None:
        """Marks a stage finished, or (``None``) not finished."""
        state = self.state()
        state.pop(stage, None)
        if entry is not None:
            state[stage] = entry
        write_json(self.path(STATE), state)

    def journal(self, event: str, **facts: Any) -> None:
        """Appends one line to the journal."""
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **facts}
        path = self.path("stages/journal.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def say(self, text: str, style: str | None = None) -> None:
        """One line for the person and for ``log.txt``."""
        print_plain(self.console, text, style)
        with self.path("log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    @contextmanager
    def progress(self, label: str) -> Iterator[Advance]:
        """A progress bar; the yielded function takes (done, total)."""
        bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            # In a file or a pipe a bar would be noise.
            disable=not self.console.is_terminal,
        )
        with bar:
            # No total yet: the bar pulses, while a network compiles for instance.
            task = bar.add_task(label, total=None, note="getting ready")

            def advance(done: int, total: int, note: str = "") -> None:
                interrupt.check()
                bar.update(task, completed=done, total=total, note=f"{done}/{total}  {note}")

            yield advance

    def locked(self) -> AbstractContextManager[None]:
        """Holds the folder; raises RunError naming the process that holds it already."""
        return holding(self.folder)
