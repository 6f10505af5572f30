"""The Python interface: the same shape as the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from tlpipe.artifact.classifier import Classifier, load
from tlpipe.backend import several_processes
from tlpipe.config.load import FINETUNE, override, read_yaml, validate
from tlpipe.config.runs import check_folder, default_folder
from tlpipe.config.source import whole
from tlpipe.errors import ConfigError
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.runner import execute, preflight
from tlpipe.stages.announce import announce
from tlpipe.stages.registry import make_stages

__all__ = ["Classifier", "finetune", "load", "run_pipeline"]


def finetune(
    data: str | Path,
    *,
    out: str | Path | None = None,
    seed: int = 0,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """The three-step recipe on labelled pictures.

    Args:
        data: folder with one sub-folder a class, a CSV with the columns path and label, or
            ``tfds:NAME`` or ``tfds:FOLDER``.
        out: run folder; ``runs/NAME-DATE`` when None. The same call again resumes or skips.
        seed: drives everything random.
        quiet: show nothing; ``log.txt`` has it all the same.
        settings: values by stage, such as ``head={"epochs": 4}, unfreeze={"blocks": 2}``.

    Returns:
        The finished run; ``tlpipe.load(run.folder)`` is its classifier.

    Raises:
        TlpipeError: anything the user can mend.
    """
    raw = {**FINETUNE, "seed": seed, "stages": {**FINETUNE["stages"], **settings}}
    raw["stages"]["scan"] = {**raw["stages"]["scan"], "data": str(data)}
    return run_pipeline(raw, out=out, console=_console(quiet))


def _console(quiet: bool) -> Console:
    """One that prints plain lines in a notebook."""
    if Console().is_jupyter:
        # There rich makes HTML of every line, and the streams call themselves terminals.
        return Console(quiet=quiet, force_jupyter=False, force_terminal=False)
    return Console(quiet=quiet)


def run_pipeline(
    source: str | Path | dict[str, Any],
    *,
    assignments: list[str] | tuple[str, ...] = (),
    out: str | Path | None = None,
    console: Console | None = None,
) -> Run:
    """Runs a pipeline file (or its mapping) with ``stage.key=value`` laid over it."""
    run = open_run(source, assignments=assignments, out=out, console=console)
    return execute_run(run)


def execute_run(run: Run) -> Run:
    """Says what it will do, runs what is not finished, and says where the results are."""
    stages = make_stages(run.pipeline)
    preflight(run, stages)
    announce(run)
    execute(run, stages)
    start = f"; start with {run.path('README.md')}" if "report" in run.pipeline.stages else ""
    run.say(f"Done. Everything is in {run.folder}{start}")
    if several_processes():
        from tlpipe.training.processes import leave

        leave(run.folder)
    return run


def open_run(
    source: str | Path | dict[str, Any],
    *,
    assignments: list[str] | tuple[str, ...] = (),
    out: str | Path | None = None,
    console: Console | None = None,
) -> Run:
    """The run that :func:`run_pipeline` would work on; nothing is written yet."""
    where = None if isinstance(source, dict) else source
    raw = source if isinstance(source, dict) else read_yaml(Path(source))
    pipeline = validate(_with_whole_path(override(raw, assignments)), where=where)
    folder = Path(out) if out is not None else default_folder(pipeline)
    check_folder(folder, pipeline)
    if not several_processes():
        return Run(folder, pipeline, console)
    from tlpipe.training.processes import is_first, own_place

    if out is None:
        raise ConfigError(
            "Several processes need one run folder.", todo="name it with --out, where all see it"
        )
    return Run(own_place(folder), pipeline, console if is_first() else Console(quiet=True))


def _with_whole_path(raw: dict[str, Any]) -> dict[str, Any]:
    """The data with an absolute path, so that a run can be evaluated from anywhere."""
    scan = (raw.get("stages") or {}).get("scan")
    if not isinstance(scan, dict) or not scan.get("data"):
        return raw
    scan = {**scan, "data": whole(scan["data"])}
    return {**raw, "stages": {**raw["stages"], "scan": scan}}
