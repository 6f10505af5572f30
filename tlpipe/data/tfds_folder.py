"""Where a data set of TFDS lies on this machine; nothing is ever downloaded."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from tlpipe.config.source import looks_like_path, prepared
from tlpipe.errors import DataError, nearest

_NAME = re.compile(r"(?P<name>\w+)(/(?P<config>[\w.+-]+))?(:(?P<version>[\d.*]+))?")
_FETCH = (
    'where there is a network: python -c "import tensorflow_datasets as tfds; '
    "tfds.builder('{name}', file_format='array_record').download_and_prepare()\"; "
    "then copy the folder ~/tensorflow_datasets/{folder} to {home}/{folder} here, "
    "or name the copy with --data tfds:FOLDER"
)


def find(place: str) -> Path:
    """The folder of one version of a prepared data set.

    Args:
        place: ``NAME[/CONFIG][:VERSION]``, looked for in ``TFDS_DATA_DIR`` (or
            ``~/tensorflow_datasets``), or a folder that holds one.

    Raises:
        DataError: it is not there, or there is more than one.
    """
    if not place:
        raise DataError(
            "'tfds:' names no data set.",
            todo="write tfds:NAME, tfds:NAME/CONFIG:VERSION, or tfds:FOLDER of a prepared one",
        )
    if looks_like_path(place):
        return _one(prepared(place), place, Path(place).expanduser())
    home = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    wanted = _NAME.fullmatch(place)
    if wanted is None:
        raise DataError(
            f"There is no folder '{place}', and it is no name of a data set of TFDS.",
            where=Path(place).absolute(),
            todo="write tfds:NAME, tfds:NAME/CONFIG:VERSION, or tfds:FOLDER of a prepared one",
        )
    found = [folder for folder in prepared(home / wanted["name"]) if _fits(folder, home, wanted)]
    if not found:
        raise _not_prepared(place, wanted["name"], home)
    configs = {folder.parent for folder in found}
    if len(configs) > 1:
        return _one(found, place, home / wanted["name"])
    # As TFDS does: the newest version.
    return max(found, key=lambda folder: _version(folder.name))


def _fits(folder: Path, home: Path, wanted: re.Match[str]) -> bool:
    config = "/".join(folder.relative_to(home / wanted["name"]).parts[:-1])
    same = wanted["config"] in (None, config)
    if not wanted["version"]:
        return same
    pattern = re.escape(wanted["version"]).replace(r"\*", r"\d+")
    return same and re.fullmatch(pattern, folder.name) is not None


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", name))


def _one(found: list[Path], place: str, folder: Path) -> Path:
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(str(inner.relative_to(folder)) for inner in found[:6])
        raise DataError(
            f"'tfds:{place}' is {len(found)} data sets.",
            where=folder.absolute(),
            cause=f"it holds {shown}" + (", ..." if len(found) > 6 else ""),
            todo=f"choose one: --data {shlex.quote(f'tfds:{found[0]}')}",
        )
    what = "holds no data set that TFDS prepared" if folder.is_dir() else "is not there"
    raise DataError(
        f"The folder '{place}' {what}.",
        where=folder.absolute(),
        cause="a prepared one has a file dataset_info.json" if folder.is_dir() else None,
        todo="name the folder that holds NAME/VERSION/dataset_info.json, or the VERSION folder",
    )


def _not_prepared(place: str, name: str, home: Path) -> DataError:
    there = sorted(folder.name for folder in home.iterdir()) if home.is_dir() else []
    versions = [str(folder.relative_to(home)) for folder in prepared(home / name)]
    if versions:
        cause = f"there are only {', '.join(versions[:6])}"
    else:
        near = nearest(name, there) if there else "there is no data set at all"
        cause = f"nothing is downloaded by itself; there, {near}" if there else near
    return DataError(
        f"The data set '{place}' of TFDS is not prepared on this machine.",
        where=home.absolute(),
        cause=cause,
        todo=_FETCH.format(name=place, folder=name, home=home),
    )
