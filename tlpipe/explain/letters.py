"""Names of any script on a picture that is drawn with one font."""

from __future__ import annotations

from tlpipe.font import letters


def drawable(text: str, most: int | None = None) -> str:
    """``text`` with '?' for what the font lacks, cut to ``most`` letters in the middle.

    Both ends of a file's name tell it from its neighbours.
    """
    text = "".join(c if ord(c) in letters() and c.isprintable() else "?" for c in text)
    if most is None or len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[: most - 1 - half]}…{text[len(text) - half :]}"
