"""The one exception family: every failure says what, where, why and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TlpipeError(Exception):
    """A failure a user can mend.

    The terminal shows it without a traceback and exits with ``exit_code``.

    Args:
        what: one sentence: what could not be done, with the offending value.
        where: the file, folder or config key it is about.
        cause: why, in the user's words.
        todo: what to do next, preferably a command.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: object | None = None,
        cause: str | None = None,
        todo: str | None = None,
    ):
        self.what, self.where, self.cause, self.todo = what, where, cause, todo
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [self.what]
        if self.where is not None:
            lines.append(f"  where: {self.where}")
        if self.cause:
            lines.append(f"  cause: {self.cause}")
        if self.todo:
            lines.append(f"  next:  {self.todo}")
        return "\n".join(lines)


class ConfigError(TlpipeError):
    """A setting that is unknown, misspelt or out of range."""


class DataError(TlpipeError):
    """Pictures, folders or a manifest that can't be used as they are."""


class BackboneError(TlpipeError):
    """A network, block or weights file that is unknown or does not fit."""


class RunError(TlpipeError):
    """A run folder that is locked, incomplete or not a run folder."""


class TrainingError(TlpipeError):
    """Training that can't go on: a non-finite loss, no memory, a frozen weight that moved."""


class ExportError(TlpipeError):
    """A model that a format can't hold, or an export that disagrees with its model."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """The end of a sentence: the nearest of ``choices``, or all of them when few and none is near.

    >>> nearest("resnet5", ["resnet50", "vgg16"])
    "did you mean 'resnet50'?"
    """
    choices = list(choices)
    near = get_close_matches(name, choices, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    shown = ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")
    return f"choose one of: {shown}"


def one_line(error: Exception, most: int = 600) -> str:
    """Another library's message on one line, cut after ``most`` letters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= most else text[:most] + "..."
