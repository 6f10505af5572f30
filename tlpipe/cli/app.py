"""The command line: registers the commands and turns failures into messages."""

from __future__ import annotations

import errno
import os
import sys
import traceback

import typer
from rich.console import Console
from typer.exceptions import TyperException

from tlpipe import __version__
from tlpipe.cli import (
    backbones,
    cache,
    check,
    demo,
    doctor,
    evaluate,
    explain,
    export,
    finetune,
    inspect,
    predict,
    report,
    run,
    search,
)
from tlpipe.errors import TlpipeError
from tlpipe.pipeline import interrupt
from tlpipe.terminal import print_plain

app = typer.Typer(
    name="tlpipe",
    help="Transfer learning for images that a working engineer can trust.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: tlpipe demo solar-cells photos/ && tlpipe finetune --data photos/",
)
for module in (
    check,
    finetune,
    search,
    run,
    evaluate,
    predict,
    report,
    explain,
    export,
    backbones,
    inspect,
    cache,
    demo,
    doctor,
):
    module.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tlpipe {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks."),
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Transfer learning for images that a working engineer can trust."""
    if debug:
        os.environ["TLPIPE_DEBUG"] = "1"


def run_command_line() -> None:
    """Exits with 0, 2 for what the user can mend, 130 for Ctrl-C, 1 for a defect.

    ``tlpipe report`` also has 1 for a gate that failed and 3 for too few pictures.
    """
    debug = "--debug" in sys.argv or "TLPIPE_DEBUG" in os.environ
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    error = Console(stderr=True)
    interrupt.install()
    try:
        code = app(args=arguments, standalone_mode=False)
    except TyperException as problem:
        problem.show()
        code = 2
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except TlpipeError as problem:
        if debug:
            traceback.print_exc()
        print_plain(error, f"Error: {problem}", "red")
        code = problem.exit_code
    except OSError as problem:
        if problem.errno not in _OS_ERRORS:
            raise
        if debug:
            traceback.print_exc()
        what, todo = _OS_ERRORS[problem.errno]
        place = problem.filename2 or problem.filename or "the run folder"
        print_plain(error, f"Error: {what}\n  where: {place}\n  next:  {todo}", "red")
        code = 2
    if code == 130:
        resumes = arguments[:1] in (["finetune"], ["search"], ["run"], ["report"])
        again = " The same command again goes on where this one left off." if resumes else ""
        error.print(f"\nStopped.{again}")
    sys.exit(code or 0)


_OS_ERRORS = {
    errno.ENOSPC: (
        "The disk is full; the file was not written.",
        "free some space, or choose another disk; the same command then goes on",
    ),
    errno.EDQUOT: (
        "The disk quota is used up; the file was not written.",
        "free some space, or choose another disk; the same command then goes on",
    ),
    errno.EACCES: ("No permission.", "choose another place for it, or change the rights"),
    errno.EPERM: ("Not permitted.", "choose another place for it, or change the rights"),
    errno.EROFS: ("The file system is read-only.", "choose another folder"),
    errno.ENAMETOOLONG: ("A file's name is too long.", "check the path, or choose a shorter name"),
    errno.ELOOP: ("A link leads back to itself.", "check the path"),
    errno.EISDIR: ("A folder stands where a file is needed.", "choose another name"),
    errno.ENOENT: ("A file or folder is missing.", "check the path"),
    errno.ENOTDIR: ("A file stands where a folder is needed.", "choose another folder"),
    errno.EEXIST: ("A file stands where a folder is needed.", "choose another folder"),
}
