"""``tlpipe export``: the model in the format of the place where it is used."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from tlpipe.backend import import_backend
from tlpipe.cli.shared import Set

EPILOG = """
[bold]Examples[/bold]

tlpipe export runs/photos-2026-01-31 --to onnx

tlpipe export RUN --to savedmodel,onnx,litert,keras

tlpipe export RUN --to litert --quantize int8

tlpipe export RUN --to onnx,litert --quantize none,float16,dynamic,int8 --out exports/

Formats: savedmodel, onnx, litert, keras. With --quantize: onnx float16, litert dynamic and int8.

Every export takes RGB pictures as uint8 (n, size, size, 3) and gives probabilities. It is run in
its own runtime on pictures of the test part, and refused when it disagrees with the model.
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("export", epilog=EPILOG)(export)


def export(
    run: Annotated[str, Argument(help="A finished run folder.")],
    to: Annotated[list[str], Option(help="Formats, separated by commas; may be repeated.")],
    quantize: Annotated[
        list[str] | None,
        Option(help="Smaller: float16, dynamic, int8; none: also the model as it is."),
    ] = None,
    out: Annotated[
        str | None, Option(help="Where the formats' folders lie. \\[default: RUN/export]")
    ] = None,
    calibrated: Annotated[
        bool, Option("--calibrated", help="Bake in the temperature: more honest probabilities.")
    ] = False,
    pictures: Annotated[
        int | None, Option(min=1, help="Test pictures to check with. \\[default: 200]")
    ] = None,
    set_: Set = None,
) -> None:
    """Export a model to SavedModel, ONNX, LiteRT or Keras, checked on real pictures."""
    from tlpipe.config.load import override, validated
    from tlpipe.config.settings import Export

    given = {
        "formats": ",".join(to),
        "quantize": ",".join(quantize or []),
        "calibrated": calibrated,
    }
    if pictures is not None:
        given["pictures"] = pictures
    raw = override({"stages": {"export": given}}, set_ or [])
    settings = validated(Export, raw["stages"]["export"], "export", None)
    import_backend()
    from tlpipe.stages.export import export_run

    export_run(run, Console(), settings, out=out)
