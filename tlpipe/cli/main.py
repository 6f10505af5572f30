"""The entry point: so light that Ctrl-C is answered from its first line on."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Runs the command line; the exit codes are those of :func:`app.run_command_line`."""
    # While the libraries are imported nothing has been begun that would have to be finished, and
    # an exception could get lost in them.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))
    from tlpipe.cli.app import run_command_line

    run_command_line()
