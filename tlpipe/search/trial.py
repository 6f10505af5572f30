"""One trial, in a process of its own: ``python -m tlpipe.search.trial SPEC.json``.

A trial is a run like any other, up to ``select``; the test part is not touched. An interrupted one
goes on from its checkpoints and ends with the same bits.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tlpipe.errors import TlpipeError, one_line
from tlpipe.pipeline.atomic import beside, read_json, write_json
from tlpipe.pipeline.lock import holding

BEFORE = ("scan", "split")
UP_TO_HEAD = (*BEFORE, "backbone", "prepare", "head")
UNTRIED = ("evaluate", "report")
LAST_BREATH = 120.0


@dataclass(frozen=True)
class Spec:
    """All a trial needs to know.

    Attributes:
        folder: its run folder.
        pipeline: the recipe, as read from a file.
        assignments: ``stage.key=value`` laid over it.
        objective: the validation score.
        base: the run that holds scan and split.
        place: the folder that relative paths, of weights for one, start from.
        after: hyperband: the run folder to go on from.
        bar: ``best`` score so far, the most that a step three is expected to ``gain``, and
            whether to ``maximize``; None when the trial is to run to its end whatever comes out.
    """

    folder: str
    pipeline: dict[str, Any]
    assignments: list[str]
    objective: str
    base: str
    place: str
    after: str | None = None
    bar: dict[str, Any] | None = None


@dataclass(frozen=True)
class Result:
    """How a trial ended.

    Attributes:
        status: ``completed``, ``stopped`` (could not catch up), ``failed``, ``memory`` or
            ``killed``; the last two end up as one of the others.
        score: of the model that was kept; of the head when stopped; None when there is none.
        head_score: after step two.
        reason: why it was stopped or failed.
        seconds: from its start to its end, repetitions included.
        memory_mb: most it took, without what it shared with others.
        notes: what was done about trouble on the way.
        assignments: what it was run with in the end.
    """

    status: str
    score: float | None = None
    head_score: float | None = None
    reason: str = ""
    seconds: float = 0.0
    memory_mb: float = 0.0
    notes: list[str] = field(default_factory=list)
    assignments: list[str] = field(default_factory=list)


def run_trial(spec: Spec) -> Result:
    """Trains, and scores the validation part. Raises TlpipeError when the trial can't be run."""
    from rich.console import Console

    from tlpipe.api import open_run
    from tlpipe.pipeline.runner import execute, plan
    from tlpipe.stages.registry import make_stages

    folder = Path(spec.folder)
    with holding(folder, LAST_BREATH):
        # One whose machine was lost may take a moment to notice.
        share(Path(spec.base), folder, BEFORE)
    if spec.after is not None:
        share(Path(spec.after), folder, UP_TO_HEAD)
    run = open_run(
        spec.pipeline, assignments=spec.assignments, out=folder, console=Console(quiet=True)
    )
    stages = [stage for stage in make_stages(run.pipeline) if stage.name not in UNTRIED]
    execute(run, [stage for stage in stages if stage.name in UP_TO_HEAD])
    head_score = _score(run, spec.objective, "head")
    if spec.bar is not None and _hopeless(head_score, spec.bar):
        reason = (
            f"{head_score:.4f} after step two, which even a gain of {spec.bar['gain']:.4f}, twice "
            f"the largest so far, would not bring to the {spec.bar['best']:.4f} of the best trial"
        )
        return Result("stopped", head_score, head_score, reason)
    if spec.after is not None:
        key = next(item.key for item in plan(run, stages) if item.stage.name == "unfreeze")
        _take_checkpoint(Path(spec.after), run.scratch("unfreeze", key))
    execute(run, stages)
    kept = read_json(run.path("stages/select/choice.json"))["kept"]
    score = _score(run, spec.objective, "head" if kept == "head" else "unfreeze")
    return Result("completed", score, head_score, notes=_halved(run))


def share(source: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Gives ``folder`` what the stages ``names`` made in the run ``source``, unless it has it.

    What ``source`` has not finished, or has lost, is left out: those stages run again.
    """
    from tlpipe.pipeline.run import STATE
    from tlpipe.stages.registry import STAGES

    state = read_json(source / STATE) if (source / STATE).exists() else {}
    own = read_json(folder / STATE) if (folder / STATE).exists() else {}
    for name in names:
        if name not in state or name in own:
            continue
        if not all((source / artifact).exists() for artifact in STAGES[name].writes):
            return
        kept = {p.relative_to(source) for p in (source / "stages" / name).iterdir()}
        for artifact in sorted(kept | {Path(artifact) for artifact in STAGES[name].writes}):
            _copy(source / artifact, folder / artifact)
        own[name] = state[name]
        write_json(folder / STATE, own)


def _halved(run) -> list[str]:
    """Steps that ran out of memory and went on with smaller batches, in words."""
    from tlpipe.stages.training import step_files

    found = []
    for step in ("head", "unfreeze"):
        asked = run.pipeline.stages[step].batch_size
        size = read_json(run.path(step_files(step)[2])).get("batch_size", asked)
        if size != asked:
            found.append(f"out of memory in step '{step}': batch size {size} instead of {asked}")
    return found


def _take_checkpoint(source: Path, scratch: Path) -> None:
    checkpoint = source / "stages" / "unfreeze" / "checkpoint.npz"
    if checkpoint.exists() and not (scratch / checkpoint.name).exists():
        _copy(checkpoint, scratch / checkpoint.name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(target)
    shutil.copy2(source, temporary)
    os.replace(temporary, target)


def _score(run, objective: str, step: str) -> float:
    import numpy as np

    from tlpipe.search.objective import evaluate
    from tlpipe.stages.inputs import open_manifest, open_target
    from tlpipe.stages.training import step_files

    manifest = open_manifest(run)
    target, rows = open_target(run, manifest), manifest.indices("val")
    truth = target.truth([manifest.pictures[row].label for row in rows])
    return evaluate(objective, target, truth, np.load(run.path(step_files(step)[1])))


def _hopeless(head_score: float, bar: dict[str, Any]) -> bool:
    if bar["maximize"]:
        return head_score + bar["gain"] < bar["best"]
    return head_score - bar["gain"] > bar["best"]


def _end_with_parent() -> None:
    """Ends this process when the driver's end of the pipe closes: it was killed, say."""

    def watch() -> None:
        # Read without Python's buffer, whose lock would abort this process at its own end.
        while os.read(0, 1):
            pass
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


def main(path: str) -> None:
    """Runs the trial in the file ``path`` and writes its result beside it."""
    _end_with_parent()
    from tlpipe.backend import import_backend

    spec = Spec(**read_json(Path(path)))
    try:
        import_backend()
        result = run_trial(spec)
    except MemoryError:
        result = Result("memory", reason="memory ran out")
    except TlpipeError as error:
        cause = f" ({error.cause})" if error.cause else ""
        result = Result("failed", reason=one_line(f"{error.what}{cause}"))
    except Exception as error:
        import traceback

        traceback.print_exc()
        result = Result("failed", reason=f"{type(error).__name__}: {one_line(error)}")
    write_json(Path(path).with_suffix(".result.json"), asdict(result))


if __name__ == "__main__":
    main(sys.argv[1])
