"""The search: proposes, runs, records; the same command goes on after whatever happened."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from tlpipe.config.runs import check_alone
from tlpipe.config.search import SearchFile
from tlpipe.config.settings import Pipeline
from tlpipe.data.manifest import Manifest
from tlpipe.errors import RunError, TrainingError
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.runner import execute
from tlpipe.search.engine import Engine
from tlpipe.search.journal import Journal
from tlpipe.search.objective import maximized
from tlpipe.search.process import STEPS, with_batch
from tlpipe.search.proposer import Proposer
from tlpipe.search.record import Trial, best_first, write_csv
from tlpipe.search.screen import Screen
from tlpipe.search.space import starting
from tlpipe.search.trial import BEFORE, Result, Spec
from tlpipe.search.values import assignments
from tlpipe.stages.inputs import MANIFEST
from tlpipe.stages.registry import STAGES

ABOUT, JOURNAL, TRIALS = "search.json", "search.jsonl", "trials.csv"
# What is there before the first trial.
OWN = {".lock", ".lock.json"}
# Before so many trials ended, nothing is known about what step three can gain.
ENOUGH = 5
# A trial that unfreezes more than those before it may gain more than they did.
MARGIN = 2.0
HOPELESS = 3


class Driver:
    """The trials of one search folder.

    Args:
        file: what to search, and how.
        raw: the recipe under every trial.
        pipeline: the same, validated.
        folder: of the search; held by this process.
        engine: runs the trials.
        screen: shows them.
    """

    def __init__(
        self,
        file: SearchFile,
        raw: dict[str, Any],
        pipeline: Pipeline,
        folder: Path,
        engine: Engine,
        screen: Screen,
    ):
        self.file, self.raw, self.pipeline, self.folder = file, raw, pipeline, folder
        self.maximize = maximized(file.search.objective)
        self.trials: list[Trial] = []
        self.journal = Journal(folder / JOURNAL)
        self._engine, self._screen = engine, screen
        hyperband = file.search.tuner == "hyperband"
        self._most = math.inf if hyperband else file.search.trials
        asked = file.search.start and not hyperband
        start = starting(pipeline, file.space) if asked else None
        self._begins_with_start = start is not None
        self._proposer = Proposer(
            file,
            maximize=self.maximize,
            max_epochs=pipeline.stages["unfreeze"].epochs,
            start=start,
        )
        self._no_more = self._waits = False

    @property
    def start(self) -> Trial | None:
        """The trial that is the recipe as it was; None where none is, or it did not end well."""
        first = self.trials[0] if self._begins_with_start and self.trials else None
        return first if first is not None and first.status == "completed" else None

    @property
    def base(self) -> Path:
        """The run that holds the scan and the split of all trials."""
        return self.folder / "base"

    def prepare(self, console: Console) -> None:
        """Scans and splits once for all, and takes up what the journal knows.

        Raises:
            RunError: the journal is of other pictures, or of other values than keras-tuner proposes
                now.
        """
        run = Run(self.base, self.pipeline, console)
        execute(run, [STAGES[name](self.pipeline.stages[name]) for name in BEFORE])
        events = self.journal.events()
        self._check_pictures(events, Manifest.read(run.path(MANIFEST)).digest)
        for event in events:
            self._replay(event)
        # A kill may have come between the journal and the table.
        if self.trials:
            self._write_table()

    def _check_pictures(self, events: list[dict[str, Any]], split: str) -> None:
        """Scores on other validation pictures can't be compared."""
        before = next((event["split"] for event in events if event["event"] == "pictures"), None)
        if before is None:
            self.journal.append({"event": "pictures", "split": split})
        elif before != split:
            raise RunError(
                f"The pictures are no longer those that the search in '{self.folder}' began with.",
                cause="some were added, removed or changed, and its scores are of those before",
                todo="start a new search with another --out, or put the pictures back",
            )

    def _replay(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "start":
            proposal = self._proposer.propose()
            if isinstance(proposal, str) or proposal is None or proposal.values != event["values"]:
                raise RunError(
                    f"The search in '{self.folder}' can't be taken up.",
                    cause=f"keras-tuner proposes other values for trial {event['number']} than "
                    "before; perhaps its version changed",
                    todo="start a new search with another --out",
                )
            self.trials.append(Trial(**asdict(proposal), bar=event["bar"]))
        elif kind == "wait":
            self._proposer.propose()
            self._waits = True
        elif kind == "end":
            self._take(event)

    def run(self) -> None:
        """Runs trials until there are no more to propose.

        Raises:
            TrainingError: the first trials all failed.
        """
        running: dict[Future, Trial] = {}
        try:
            for trial in self.trials:
                if trial.status == "running":
                    running[self._start(trial)] = trial
            while True:
                self._fill(running)
                self._show(running)
                if not running:
                    return
                # Wakes now and then to show how far the trials are.
                done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda future: running[future].number):
                    self._ended(running.pop(future), future.result())
        finally:
            self._show({})

    def _fill(self, running: dict[Future, Trial]) -> None:
        while len(running) < self._at_once() and not self._no_more and not self._waits:
            if len(self.trials) >= self._most:
                return
            proposal = self._proposer.propose()
            if proposal == "wait":
                # Asked again only when a trial ended: each asking may move the random state.
                self._waits = True
                self.journal.append({"event": "wait"})
                return
            if proposal is None:
                self._no_more = True
                return
            trial = Trial(**asdict(proposal), bar=self._bar())
            start = {"number": trial.number, "values": trial.values, "bar": trial.bar}
            self.journal.append({"event": "start", **start})
            self.trials.append(trial)
            twin = self._twin(trial)
            if twin is None:
                running[self._start(trial)] = trial
            else:
                reason = f"the same values as trial {twin.name}"
                self._ended(trial, Result(twin.status, twin.score, twin.head_score, reason))

    def _at_once(self) -> int:
        """How many trials may run now: the first alone until its head is trained.

        What the frozen part makes of the pictures is then stored for the others, who would all
        compute the same at the same time.
        """
        if not self._engine.shares_cache or len(self.trials) != 1:
            return self.file.search.workers
        (first,) = self.trials
        fills = (
            first.status == "running"
            and "head" not in Run(self.trial_folder(first), self.pipeline).state()
        )
        return 1 if fills else self.file.search.workers

    def _start(self, trial: Trial) -> Future:
        spec = self.spec(trial)
        return self._engine.submit(spec, self.batch_sizes(spec.assignments), self.memory)

    @property
    def memory(self) -> float | None:
        """Bytes a trial may take; None where the engine decides."""
        asked = self.file.search.memory
        return None if asked is None else asked * 1e9

    def tried(self, trial: Trial) -> list[str]:
        """What is laid over the recipe in a trial."""
        listed = assignments(trial.values, self.file.space)
        if trial.epochs is not None and trial.epochs < self.pipeline.stages["unfreeze"].epochs:
            listed.append(f"unfreeze.pause={trial.epochs}")
        # What ran out of memory goes on with the batches that it got along with.
        return (
            listed if trial.after is None else with_batch(listed, self._before(trial).assignments)
        )

    def _before(self, trial: Trial) -> Trial:
        """The trial that this one goes on from; a twin has no folder of its own."""
        before = self.trials[trial.after]
        twin = self._twin(before)
        return before if twin is None or twin.number > before.number else twin

    def spec(self, trial: Trial) -> Spec:
        """The trial as its process needs it."""
        after = None if trial.after is None else str(self.trial_folder(self._before(trial)))
        return Spec(
            folder=str(self.trial_folder(trial)),
            pipeline=self.raw,
            assignments=self.tried(trial),
            objective=self.file.search.objective,
            base=str(self.base),
            place=str(Path.cwd()),
            after=after,
            bar=trial.bar,
        )

    def trial_folder(self, trial: Trial) -> Path:
        """The trial's run folder."""
        return self.folder / "trials" / trial.name

    def batch_sizes(self, assigned: Sequence[str]) -> dict[str, int]:
        """Of both steps, with what is ``assigned`` laid over the recipe."""
        sizes = {step: self.pipeline.stages[step].batch_size for step in STEPS}
        for text in assigned:
            name, _, value = text.partition("=")
            step, _, field = name.partition(".")
            if field == "batch_size":
                sizes[step] = int(value)
        return sizes

    def _bar(self) -> dict[str, Any] | None:
        """What a new trial must be able to reach, from those that ended before it began."""
        done = best_first(self.trials, self.maximize)
        if not self.file.search.stop or self.file.search.tuner == "hyperband" or len(done) < ENOUGH:
            return None
        sign = 1 if self.maximize else -1
        gain = max(0.0, *(sign * (trial.score - trial.head_score) for trial in done))
        return {"best": done[0].score, "gain": MARGIN * gain, "maximize": self.maximize}

    def _twin(self, trial: Trial) -> Trial | None:
        """A finished trial of the very same values, whose result this one would repeat."""
        for other in self.trials:
            same = (other.values, other.epochs) == (trial.values, trial.epochs)
            if other is not trial and same and other.status in ("completed", "stopped"):
                return other
        return None

    def _ended(self, trial: Trial, result: Result) -> None:
        event = {"event": "end", "number": trial.number, **asdict(result)}
        self.journal.append(event)
        self._take(event)
        self._write_table()
        self._screen.ended(trial)
        ended = [trial for trial in self.trials if trial.status != "running"]
        if len(ended) >= HOPELESS and all(trial.status == "failed" for trial in ended):
            raise TrainingError(
                f"The first {len(ended)} trials all failed.",
                where=self.folder / TRIALS,
                cause=ended[-1].reason,
                todo="mend the cause, then start a new search with another --out",
            )

    def _write_table(self) -> None:
        write_csv(self.folder / TRIALS, self.trials, list(self.file.space))

    def _take(self, event: dict[str, Any]) -> None:
        trial, self._waits = self.trials[event["number"]], False
        trial.end(event)
        self._proposer.finish(trial.number, trial.score, trial.reason)

    def _show(self, running: dict[Future, Trial]) -> None:
        self._screen.show(
            self.trials, {t.number: _last_line(self.trial_folder(t)) for t in running.values()}
        )


def _last_line(folder: Path) -> str:
    log = folder / "log.txt"
    if not log.exists():
        return "starting"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    # After date and time.
    return lines[-1].split(" ", 2)[-1].strip() if lines else "starting"


def describe(folder: Path, file: SearchFile, raw: dict[str, Any]) -> str:
    """What is searched, as the text of ``search.json``.

    More trials, other workers, leaders and confirmations are the same search, going on.

    Raises:
        RunError: the folder holds another search, or other things.
    """
    free = {"trials", "workers", "leaders", "confirm", "memory"}
    asked = json.loads(file.model_dump_json())
    asked["search"] = {k: v for k, v in asked["search"].items() if k not in free}
    asked["recipe"] = raw
    text = json.dumps(asked, indent=2, ensure_ascii=False) + "\n"
    path = folder / ABOUT
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise RunError(
                f"The folder '{folder}' holds another search.",
                cause="its space, recipe, seed, tuner or start differ, or another version began it",
                todo="choose a new folder with --out, or ask for the same as before",
            )
        return text
    check_alone(folder, OWN)
    return text
