"""``tlpipe report``: why the model decides as it does, and whether to trust it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from tlpipe.backend import import_backend

EPILOG = """
[bold]Examples[/bold]

tlpipe report runs/photos-2026-01-31

tlpipe report RUN --fail-on red && deploy

tlpipe report RUN --sections performance,shortcuts --methods gradcam,saliency,occlusion

tlpipe report RUN --objects masks/ --table cameras.csv

Sections: performance, confidence, looks, belief, shortcuts, data, robustness, fit, provenance.

Methods: gradcam, saliency, gradcam++, layercam, guided, deconvnet, smoothgrad, integrated,
scorecam, occlusion.

Exit code: 0 passed, 1 the gate of --fail-on failed, 2 bad input, 3 too few pictures to judge.
"""


class Gate(StrEnum):
    """The level at which the exit code says no."""

    red = "red"
    amber = "amber"


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("report", epilog=EPILOG)(report)


def report(
    run: Annotated[str, Argument(help="A finished run folder.")],
    sections: Annotated[
        str | None, Option(help="Only these, separated by commas. \\[default: all]")
    ] = None,
    methods: Annotated[
        str, Option(help="Attribution methods, separated by commas.")
    ] = "gradcam,saliency",
    limit: Annotated[
        int | None, Option(min=1, help="Test pictures to look at. \\[default: 400]")
    ] = None,
    config: Annotated[
        Path | None, Option(help="Thresholds of your own; see pipelines/audit.yaml.")
    ] = None,
    objects: Annotated[
        str | None,
        Option(help="Where the object is: a folder of masks, or a CSV path,x0,y0,x1,y1."),
    ] = None,
    table: Annotated[
        str | None,
        Option(help="A CSV of what you know of the pictures (path,camera,...): slices to search."),
    ] = None,
    fail_on: Annotated[
        Gate | None, Option(help="Exit code 1 when a finding is as bad as this.")
    ] = None,
    html: Annotated[bool, Option(help="Write report/index.html.")] = True,
    json: Annotated[bool, Option(help="Write report/report.json.")] = True,
) -> None:
    """Audit a model: where it looks, what misleads it, and whether its confidence is honest."""
    from tlpipe.config.load import read_audit

    settings = read_audit(config, limit=limit, objects=objects, table=table)
    import_backend()
    from tlpipe.stages.audit import audit_run

    found = audit_run(
        run,
        Console(),
        sections=_listed(sections or ""),
        methods=_listed(methods),
        settings=settings,
        write_html=html,
        write_json=json,
    )
    if not found.conclusive:
        raise typer.Exit(3)
    if (found.level == "red" and fail_on) or (found.level == "amber" and fail_on == Gate.amber):
        raise typer.Exit(1)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
