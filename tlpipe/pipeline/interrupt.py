"""Ctrl-C that is never lost."""

from __future__ import annotations

import signal

_asked = False


def install() -> None:
    """Makes SIGINT raise KeyboardInterrupt, and remember that it did.

    Python drops an exception that is raised inside a weak reference's callback, of which TensorFlow
    has many; :func:`check` then raises it again at the next step.
    """

    def remember(number, frame):
        global _asked
        _asked = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, remember)


def check() -> None:
    """Raises KeyboardInterrupt when Ctrl-C was pressed and got lost."""
    if _asked:
        raise KeyboardInterrupt
