"""What is shown while Keras is loaded: on a screen only, and not for good."""

import io
import sys

import pytest

from tlpipe.terminal import passing


class Screen(io.StringIO):
    def isatty(self):
        return True


def screen(monkeypatch) -> Screen:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Screen())
    return sys.stdout


def test_a_line_is_there_while_the_body_runs_and_is_erased(monkeypatch):
    shown = screen(monkeypatch)
    with passing("loading ..."):
        assert "loading ..." in shown.getvalue()
        assert "\n" not in shown.getvalue()
    assert shown.getvalue().endswith("\r\x1b[2K")


def test_it_is_erased_when_the_body_fails(monkeypatch):
    shown = screen(monkeypatch)
    with pytest.raises(ValueError, match="no"), passing("loading ..."):
        raise ValueError("no")
    assert shown.getvalue().endswith("\r\x1b[2K")


def test_a_pipe_gets_nothing(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with passing("loading ..."):
        pass
    assert sys.stdout.getvalue() == ""
