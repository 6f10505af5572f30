"""Runs the stages of a pipeline: finished ones are skipped, interrupted ones resumed."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tlpipe.config.load import dump
from tlpipe.errors import ConfigError, TlpipeError
from tlpipe.pipeline.atomic import write_text
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.stage import Stage

# A failure after hours must not look as if all of them were lost.
_KEPT = "  finished stages are kept: the same command goes on after them; other settings, --out {}"


@dataclass(frozen=True)
class Planned:
    """What the runner will do with a stage, and why."""

    stage: Stage
    key: str
    action: str  # "skip", "resume" or "run"
    why: str


def plan(run: Run, stages: list[Stage]) -> list[Planned]:
    """Decides for each stage, in order. Raises ConfigError when a stage's input has no maker."""
    state = run.state()
    made_by: dict[str, Stage] = {}
    keys: dict[str, str] = {}
    planned = []
    for stage in stages:
        for artifact in stage.reads:
            if artifact not in made_by:
                raise ConfigError(
                    f"Stage '{stage.name}' reads '{artifact}', which no earlier stage writes.",
                    todo="put the stages in the order of pipelines/finetune.yaml",
                )
        key = stage.key(run.seed, {a: keys[made_by[a].name] for a in stage.reads})
        keys[stage.name] = key
        made_by |= dict.fromkeys(stage.writes, stage)
        planned.append(Planned(stage, key, *_decide(run, stage, key, state.get(stage.name))))
    return planned


def _decide(run: Run, stage: Stage, key: str, finished: dict | None) -> tuple[str, str]:
    if finished is not None and finished["key"] == key:
        missing = [a for a in stage.writes if not run.path(a).exists()]
        if not missing:
            return "skip", "finished"
        return "run", f"{missing[0]} is missing"
    marker = run.folder / "stages" / stage.name / "key"
    if finished is None and marker.exists() and marker.read_text() == key:
        return "resume", "interrupted"
    if finished is None:
        return "run", "not run yet"
    return "run", "its settings, its input, the data or what `auto` is on this machine changed"


def _reason(action: str, why: str) -> str:
    if action == "resume":
        return ": resuming"
    return "" if why == "not run yet" else f": again, because {why}"


def preflight(run: Run, stages: list[Stage]) -> None:
    """Checks all stages that will run, before the run folder is touched.

    A misspelt name then costs seconds and not hours, and leaves nothing behind.
    """
    for item in plan(run, stages):
        if item.action != "skip":
            item.stage.check(run)


def execute(run: Run, stages: list[Stage], *, stays: bool = True) -> list[Planned]:
    """Runs what has to be run, under the folder's lock; returns what was done.

    A stage counts as finished once everything it writes is in place. When one fails and the folder
    ``stays``, the person is told that the others are not lost.
    """
    with run.locked():
        planned = plan(run, stages)
        write_text(run.path("config.yaml"), dump(run.pipeline))
        for number, item in enumerate(planned, 1):
            stage, label = item.stage, f"[{number}/{len(planned)}] {item.stage.name}"
            # Looked at anew: a stage before it may have moved away what it wrote.
            action, why = _decide(run, stage, item.key, run.state().get(stage.name))
            if action == "skip":
                # A kill may have come right before it was.
                stage.clean(run)
                run.say(f"{label}: {run.state()[stage.name]['summary']} (kept)")
                continue
            run.record(stage.name, None)
            run.scratch(stage.name, item.key)
            run.journal("start", stage=stage.name, key=item.key, why=why)
            run.say(label + _reason(action, why), style="bold")
            start = time.perf_counter()
            try:
                summary = stage.run(run)
            except TlpipeError as error:
                run.journal("failed", stage=stage.name, error=error.what)
                if stays and run.state():
                    run.say(_KEPT.format(run.folder))
                raise
            seconds = round(time.perf_counter() - start, 2)
            run.record(stage.name, {"key": item.key, "summary": summary, "seconds": seconds})
            stage.clean(run)
            run.journal("done", stage=stage.name, seconds=seconds, summary=summary)
            run.say(f"  {summary} ({seconds:.1f} s)")
    return planned
