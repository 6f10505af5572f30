"""``tlpipe explain``: what in a picture made the model decide, and what its parts see."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from tlpipe.backend import import_backend
from tlpipe.cli.feedback import name_bad, progress_bar
from tlpipe.words import shown

EPILOG = """
[bold]Examples[/bold]

tlpipe explain runs/photos-2026-01-31 picture.jpg

tlpipe explain RUN new_pictures/ --methods gradcam,saliency,occlusion --out panels/

tlpipe explain RUN cell.png --against functional

tlpipe explain RUN cell.png --maps block3

tlpipe explain RUN --unit block3:17

Methods: gradcam, saliency, gradcam++, layercam, guided, deconvnet, smoothgrad, integrated,
scorecam, occlusion.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("explain", epilog=EPILOG)(explain)


def explain(
    run: Annotated[str, Argument(help="A run folder, or a model.keras.")],
    pictures: Annotated[
        list[str] | None,
        Argument(
            help="Pictures, or folders of pictures. \\[default: with --unit the validation part]"
        ),
    ] = None,
    methods: Annotated[
        str | None,
        Option(help="Attribution methods, separated by commas. \\[default: gradcam,saliency]"),
    ] = None,
    against: Annotated[
        str | None, Option(help="Why not this class. \\[default: the runner-up]")
    ] = None,
    maps: Annotated[
        str | None,
        Option(
            help="Instead: the feature maps of this block (tlpipe inspect RUN --blocks).",
            metavar="BLOCK",
        ),
    ] = None,
    channels: Annotated[
        int | None, Option(help="With --maps: how many. \\[default: 64]", min=1)
    ] = None,
    unit: Annotated[
        str | None,
        Option(help="Instead: what this unit looks for.", metavar="BLOCK:CHANNEL"),
    ] = None,
    out: Annotated[Path, Option(help="Folder of the panels.")] = Path("explained"),
) -> None:
    """Show what in each picture made the model decide: one panel a picture, as PNG."""
    given = {"--maps": maps, "--unit": unit, "--methods": methods, "--against": against}
    _check({name for name, value in given.items() if value is not None}, pictures, channels)
    import_backend()
    from tlpipe.artifact.classifier import load

    classifier, console, pictures = load(run), Console(stderr=True), pictures or []
    if unit is not None:
        _unit(classifier, unit, run, pictures, out, console)
    elif maps is not None:
        _maps(classifier, maps, pictures, out, channels or 64, console)
    else:
        _methods(classifier, methods or "gradcam,saliency", pictures, against, out, console)


def _check(given: set[str], pictures: list[str] | None, channels: int | None) -> None:
    """Raises a TlpipeError where the options do not go together."""
    from tlpipe.errors import ConfigError, DataError

    for view in given & {"--maps", "--unit"}:
        for other in sorted(given - {view}):
            raise ConfigError(f"{view} does not go with {other}.", todo="leave one of them away")
    if channels is not None and "--maps" not in given:
        raise ConfigError("--channels goes with --maps.", todo="add --maps BLOCK")
    if not pictures and "--unit" not in given:
        raise DataError("No picture was named.", todo="name pictures, or folders of them")


def _methods(classifier, methods, pictures, against, out, console) -> None:
    from tlpipe.audit.pictures import explain as explain_pictures

    with progress_bar("explaining", console) as advance:
        found = explain_pictures(
            classifier,
            pictures,
            out,
            methods=[part.strip() for part in methods.split(",") if part.strip()],
            against=against,
            progress=advance,
        )
    for row in found:
        if row.panel:
            answer = ", ".join(f"{name} {p:.3f}" for name, p in row.top)
            typer.echo(f"{shown(row.panel)}: {answer}")
    bad = [row for row in found if row.error]
    name_bad(bad, len(bad), len(found))


def _maps(classifier, block, pictures, out, channels, console) -> None:
    from tlpipe.audit.block_view import draw_maps

    with progress_bar("drawing", console) as advance:
        found = draw_maps(classifier, pictures, block, out, most=channels, progress=advance)
    for row in found:
        if row.target:
            typer.echo(shown(row.target))
    bad = [row for row in found if row.error]
    name_bad(bad, len(bad), len(found))


def _unit(classifier, unit, run, pictures, out, console) -> None:
    from tlpipe.audit.places import unit_tensor
    from tlpipe.audit.unit_view import draw_unit
    from tlpipe.stages.views import validation_pictures

    # A wrong name is told before the pictures are checked.
    unit_tensor(classifier.model, unit)
    pictures = pictures or validation_pictures(run, classifier, console)
    with progress_bar("looking", console) as advance:
        drawn = draw_unit(classifier, unit, pictures, out, progress=advance)
    typer.echo(f"{drawn.panel}, {drawn.json}")
    for line in drawn.sentences:
        typer.echo(line)
    bad = [SimpleNamespace(**row) for row in drawn.facts["unreadable"]]
    name_bad(bad, len(bad), drawn.facts["pictures"] + len(bad))
