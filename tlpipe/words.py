"""Counts, lists and names as people write them."""

from __future__ import annotations

import os
from collections.abc import Sequence


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number and what it counts: ``many`` unless it is 1; by default ``one`` with an s.

    >>> counted(1, "picture"), counted(0, "class"), counted(2, "set of copies", "sets of copies")
    ('1 picture', '0 classes', '2 sets of copies')
    """
    if many is None:
        many = one + ("es" if one.endswith("s") else "s")
    return f"{count} {one if count == 1 else many}"


def were(count: int) -> str:
    """The verb that goes with a count: ``was`` for 1."""
    return "was" if count == 1 else "were"


def listed(names: Sequence[str]) -> str:
    """One or more names in a row.

    >>> listed(["blur"]), listed(["blur", "noise", "rotation"])
    ('blur', 'blur, noise and rotation')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def shown(name: str | os.PathLike[str]) -> str:
    """A file's name itself, or where it is not UTF-8, or would end a line, one to write down.

    >>> shown("caf\\udce9.jpg"), shown("cat\\r/1.jpg")
    ('caf\\\\udce9.jpg', 'cat\\\\r/1.jpg')
    """
    return os.fspath(name).encode("utf-8", "backslashreplace").decode().replace("\r", "\\r")
