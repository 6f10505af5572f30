"""``tlpipe explain``: what in a picture made the model decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from tlpipe.backend import import_backend

EPILOG = """
[bold]Examples[/bold]

tlpipe explain runs/photos-2026-01-31 picture.jpg

tlpipe explain RUN new_pictures/ --methods gradcam,saliency,occlusion --out panels/

tlpipe explain RUN cell.png --against functional

Methods: gradcam, saliency, gradcam++, layercam, guided, deconvnet, smoothgrad, integrated,
scorecam, occlusion.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("explain", epilog=EPILOG)(explain)


def explain(
    run: Annotated[str, Argument(help="A run folder, or a model.keras.")],
    pictures: Annotated[list[str], Argument(help="Pictures, or folders of pictures.")],
    methods: Annotated[
        str, Option(help="Attribution methods, separated by commas.")
    ] = "gradcam,saliency",
    against: Annotated[
        str | None, Option(help="Why not this class. \\[default: the runner-up]")
    ] = None,
    out: Annotated[Path, Option(help="Folder of the panels.")] = Path("explained"),
) -> None:
    """Show what in each picture made the model decide: one panel a picture, as PNG."""
    from rich.progress import Progress

    import_backend()
    from tlpipe.artifact.classifier import load
    from tlpipe.audit.pictures import explain as explain_pictures

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("explaining", total=None)
        found = explain_pictures(
            load(run),
            pictures,
            out,
            methods=[part.strip() for part in methods.split(",") if part.strip()],
            against=against,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for row in found:
        if row.panel:
            answer = ", ".join(f"{name} {p:.3f}" for name, p in row.top)
            typer.echo(f"{row.panel}: {answer}")
    bad = [row for row in found if row.error]
    if bad:
        typer.echo(f"{len(bad)} of {len(found)} files could not be read:", err=True)
        for row in bad[:10]:
            typer.echo(f"  {row.path}: {row.error}", err=True)
