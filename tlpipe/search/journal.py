"""What happened in a search, one line an event: all that is needed to go on after a kill."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """An append-only file of JSON lines; a line that a kill tore in two does not count."""

    def __init__(self, path: Path):
        self.path = Path(path)

    def events(self) -> list[dict[str, Any]]:
        """All whole lines, in the order written."""
        if not self.path.exists():
            return []
        *lines, torn = self.path.read_bytes().split(b"\n")
        if torn:
            with self.path.open("r+b") as file:
                file.truncate(self.path.stat().st_size - len(torn))
        return [json.loads(line) for line in lines]

    def append(self, event: dict[str, Any]) -> None:
        """Writes one event; when this returns, it is on the disk."""
        line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
        with self.path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
