"""What the setting ``scan.data`` names: a folder, a table of pictures, or a data set of TFDS."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

TABLES = (".csv", ".tsv")
TFDS = "tfds:"
_INFO = "dataset_info.json"
# NAME/CONFIG/VERSION is the deepest that TFDS lays out.
_LEVELS = 4
# Names that say nothing of a table's pictures; the folder's does.
_PLAIN = ("labels", "manifest")


def is_table(data: str | Path) -> bool:
    """Whether it names a CSV, there or not."""
    return str(data).lower().endswith(TABLES) and not Path(data).is_dir()


def is_tfds(data: str | Path) -> bool:
    """Whether it names a data set of TFDS, there or not."""
    return str(data).startswith(TFDS)


def prepared(folder: str | Path) -> list[Path]:
    """The data sets that TFDS prepared in ``folder`` or below it; empty when it is none of them."""
    found, level = [], [Path(folder).expanduser()]
    for _ in range(_LEVELS):
        found += [place for place in level if (place / _INFO).is_file()]
        others = [place for place in level if place not in found and place.is_dir()]
        level = [inner for place in others for inner in _folders(place)]
    return found


def info_of(folder: Path) -> dict[str, Any]:
    """What TFDS wrote of the data set that it prepared there; empty when that can't be read."""
    try:
        found = json.loads((folder / _INFO).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def whole(data: Any) -> Any:
    """The same with an absolute path, so that a run can be used from anywhere.

    The name of a data set of TFDS is no path and stays as it is. A folder may be called 2024, which
    YAML takes for a number. What is no name at all is left to validation.
    """
    if isinstance(data, bool) or not isinstance(data, str | int | Path):
        return data
    data = str(data)
    if not is_tfds(data):
        return str(Path(data).absolute())
    place = data.removeprefix(TFDS)
    if looks_like_path(place):
        return TFDS + str(Path(place).expanduser().absolute())
    return data


def looks_like_path(place: str) -> bool:
    """Whether what follows ``tfds:`` is a folder; one that holds a prepared set comes first."""
    return bool(place) and (place.startswith((".", "~", os.sep)) or bool(prepared(place)))


def name_of(data: str | Path) -> str:
    """A short name for results: of the folder, the table or the data set."""
    if is_tfds(data):
        place = str(data).removeprefix(TFDS)
        found = prepared(place) if looks_like_path(place) else []
        if not found:
            name = re.match(r"\w*", place)[0]
            return name or Path(place).name
        return info_of(found[0]).get("name") or found[0].name
    path = Path(data).resolve()
    if not is_table(data):
        return path.name
    return path.parent.name if path.stem.lower() in _PLAIN else path.stem


def _folders(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            return sorted(Path(entry) for entry in entries if entry.is_dir())
    except OSError:
        # One that may not be read holds nothing of use.
        return []
