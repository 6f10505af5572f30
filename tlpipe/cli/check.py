"""``tlpipe check``: what is wrong with the data, before anything is trained on them."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from typer import Option

from tlpipe.cli.feedback import progress_bar
from tlpipe.cli.report import Gate
from tlpipe.cli.shared import Data, Label, Set
from tlpipe.errors import ConfigError
from tlpipe.terminal import print_plain
from tlpipe.words import counted

if TYPE_CHECKING:
    from tlpipe.audit.finding import Section
    from tlpipe.check.check import Check

EPILOG = """
[bold]Examples[/bold]

tlpipe check --data photos/

tlpipe check --data labels.csv --target number --json found.json

tlpipe check --data photos/ --fix mended/ && tlpipe finetune --data mended/labels.csv

Nothing in the data is touched: --fix writes a table of what is in order, and one of what is not.

Exit code: 0, or 1 when a finding is as bad as --fail-on; 2 bad input.
"""
_COLOURS = {"red": "bold red", "amber": "bold yellow", "green": "green", "info": "blue"}
# Files, and rows of a table of classes or labels, that a screen still holds.
_ROWS = 12


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("check", epilog=EPILOG)(check)


def check(
    data: Data = None,
    label: Label = None,
    target: Annotated[
        str | None, Option(help="class, labels or number. \\[default: class]")
    ] = None,
    group: Annotated[
        str | None, Option(help="Regular expression: pictures with equal matches stay together.")
    ] = None,
    html: Annotated[Path | None, Option(help="The page. \\[default: check/NAME.html]")] = None,
    json: Annotated[
        str | None, Option(help="Everything as JSON into this file; - for the screen.")
    ] = None,
    fix: Annotated[
        Path | None, Option(help="A new folder for labels.csv, without what is wrong.")
    ] = None,
    fail_on: Annotated[
        Gate | None, Option(help="Exit code 1 when a finding is as bad as this.")
    ] = None,
    set_: Set = None,
) -> None:
    """Look at the data alone: bad files, duplicates, leaks, odd pictures, telling properties."""
    if data is None:
        raise ConfigError("No pictures were named.", todo="give the folder with --data DIR")
    from tlpipe.config.load import FINETUNE, override, validate
    from tlpipe.config.source import name_of

    given = {"data": data, "label": label, "target": target}
    stages = {
        **FINETUNE["stages"],
        "scan": {name: value for name, value in given.items() if value is not None},
        "split": {} if group is None else {"group": group},
    }
    settings = validate(override({**FINETUNE, "stages": stages}, set_ or []))
    page = html or Path("check") / f"{name_of(data)}.html"
    from tlpipe.check.check import check as look
    from tlpipe.check.mend import check_target, mend
    from tlpipe.check.outside import check_outside
    from tlpipe.pipeline.atomic import write_json, write_text

    for file in (page, None if json in (None, "-") else Path(json)):
        if file is not None:
            check_outside(file, data)
    if fix is not None:
        check_target(data, fix)
    # What a machine reads must stand alone on the standard output.
    console = Console(stderr=json == "-")
    found = look(settings, partial(progress_bar, console=console))
    _show(console, found)
    write_text(page, found.html())
    if json is not None:
        value = found.document().model_dump(mode="json")
        if json == "-":
            sys.stdout.write(found.document().model_dump_json(indent=2) + "\n")
        else:
            write_json(Path(json), value)
            print_plain(console, f"Written: {json}")
    if fix is not None:
        mended = mend(found.subject, fix)
        print_plain(
            console,
            f"Written: {mended.table} with {counted(mended.kept, 'picture')}; "
            f"{mended.left_out} left out, see left_out.csv beside it. The data are as they were.",
        )
        kind = "" if target in (None, "class") else f" --target {target}"
        command = f"tlpipe finetune --data {shlex.quote(str(mended.table))}{kind}"
        print_plain(console, f"Next: {command}")
    print_plain(console, f"The page: {page}")
    level = found.verdict.level
    if (level == "red" and fail_on) or (level == "amber" and fail_on == Gate.amber):
        raise typer.Exit(1)


def _show(console: Console, found: Check) -> None:
    """The verdict, a line a finding, and the counts of the classes or labels."""
    verdict = found.verdict
    print_plain(console, found.about)
    table = Table(
        Column("", no_wrap=True),
        Column("", no_wrap=True),
        Column("", overflow="fold"),
        box=None,
        show_header=False,
        padding=(0, 1),
        pad_edge=False,
    )
    for section in found.sections:
        for number, finding in enumerate(section.findings):
            told = Text(finding.sentence)
            if finding.todo and finding.level in ("red", "amber"):
                told.append(f"\n→ {finding.todo[:1].upper()}{finding.todo[1:]}.", style="dim")
            table.add_row(
                Text("" if number else section.name),
                Text(finding.level, style=_COLOURS[finding.level]),
                told,
            )
    console.print(table)
    bad = [*found.subject.bad, *found.subject.listing.set_aside]
    for file in bad[:_ROWS]:
        print_plain(console, f"  can't be used: {file.path}: {file.cause}", "yellow")
    if len(bad) > _ROWS:
        print_plain(console, f"  ... and {len(bad) - _ROWS} more", "yellow")
    counts = _counts(found.sections[1]) if len(found.sections) > 1 else None
    if counts is not None:
        console.print(counts)
    print_plain(console, f"{verdict.sentence} ({verdict.counts})", _COLOURS[verdict.level])


def _counts(section: Section) -> Table | None:
    """The section's first table, when a screen holds it."""
    shown = section.tables[0] if section.tables else None
    if shown is None or len(shown.rows) > _ROWS:
        return None
    table = Table(title=shown.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, title in enumerate(shown.columns):
        table.add_column(
            Text(title), justify="right" if place else "left", overflow="fold", no_wrap=place > 0
        )
    for row in shown.rows:
        cells = (f"{v:.3g}" if isinstance(v, float) else str(v) for v in row)
        table.add_row(*(Text(cell) for cell in cells))
    return table
