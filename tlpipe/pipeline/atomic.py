"""Files appear whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody else has: containers all have process 1."""
    # A name has 255 bytes at most.
    stem = os.fsencode(path.stem)[:180].decode("utf-8", "ignore")
    return path.with_name(f".{stem}.{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yields a temporary name beside ``path``; renames it to ``path`` when the block succeeds.

    The suffix is kept, because Keras and Matplotlib choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text with unix line ends."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON; NaN is refused, because it is not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads UTF-8 JSON."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
