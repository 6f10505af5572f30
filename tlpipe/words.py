"""Counts as people write them."""

from __future__ import annotations


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
