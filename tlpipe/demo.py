"""Real data to try tlpipe on, laid out from an installed wheel: no network at run time."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from tlpipe.errors import DataError, nearest

Progress = Callable[[int, int], None]

LICENCE = (
    "The pictures are licensed CC BY-NC-SA 4.0 (no commercial use); "
    "LICENSE.txt beside them names their authors."
)

_LICENCE_FILE = "LICENSE.txt"
_LICENCE_TEXT = """\
ELPV: 2,624 electroluminescence pictures of solar cells, sorted here into two folders:
defective (defect probability above 0.5) and functional.

Licence: Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International (CC BY-NC-SA 4.0)
https://creativecommons.org/licenses/by-nc-sa/4.0/
Source: https://github.com/zae-bayern/elpv-dataset (PyPI: elpv-dataset)

Please cite:

Buerhop-Lutz, C.; Deitsch, S.; Maier, A.; Gallwitz, F.; Berger, S.; Doll, B.; Hauch, J.;
Camus, C.; Brabec, C. J.: A Benchmark for Visual Identification of Defective Solar Cells in
Electroluminescence Imagery. European PV Solar Energy Conference and Exhibition (EU PVSEC), 2018.
DOI 10.4229/35thEUPVSEC20182018-5CV.3.15

Deitsch, S.; Christlein, V.; Berger, S.; Buerhop-Lutz, C.; Maier, A.; Gallwitz, F.; Riess, C.:
Automatic classification of defective photovoltaic module cells in electroluminescence images.
Solar Energy 185, 455-468, 2019. DOI 10.1016/j.solener.2019.02.067

Deitsch, S.; Buerhop-Lutz, C.; Sovetkin, E.; Steland, A.; Maier, A.; Gallwitz, F.; Riess, C.:
Segmentation of photovoltaic module cells in uncalibrated electroluminescence images.
Machine Vision and Applications 32(4), 2021. DOI 10.1007/s00138-021-01191-9
"""


def names() -> list[str]:
    """The demos that ``lay_out`` knows."""
    return sorted(_DEMOS)


def lay_out(name: str, directory: str | Path, progress: Progress | None = None) -> dict:
    """Writes the demo ``name`` as ``directory/CLASS/*``, whole or not at all.

    A folder that holds this demo already is left as it is.

    Args:
        name: one of ``names()``.
        directory: the folder to make; it may exist when it is empty.
        progress: takes (pictures done, pictures in all).

    Returns:
        ``directory`` (Path), ``counts`` {class: pictures}, ``licence`` (a sentence to print) and
        ``already_there`` (bool).

    Raises:
        DataError: the demo is unknown, its wheel is not installed, the folder holds other things
            or can't be written.
    """
    if name not in _DEMOS:
        raise DataError(f"There is no demo '{name}'.", todo=nearest(name, names()))
    directory = Path(directory)
    pictures = _DEMOS[name]()
    there = _sizes(directory)
    if there and there != _wanted_sizes(pictures):
        raise DataError(
            f"The folder '{directory}' already holds other things.",
            where=directory.absolute(),
            cause=f"'{name}' needs a folder of its own, so that nothing of yours is mixed with it",
            todo=f"name a new folder: tlpipe demo {name} FOLDER",
        )
    if not there:
        try:
            _write(directory, pictures, progress)
        except OSError as error:
            raise DataError(
                f"Could not write the demo '{name}' to '{directory}'.",
                where=error.filename or directory.absolute(),
                cause=error.strerror or str(error),
                todo="free the disk or name a folder you may write to; nothing was left behind",
            ) from error
    return {
        "directory": directory,
        "counts": dict(Counter(target.split("/")[0] for target in pictures)),
        "licence": LICENCE,
        "already_there": bool(there),
    }


def _solar_cells() -> dict[str, Path]:
    """Where each picture goes, class folder first, and the file it comes from."""
    # find_spec rather than an import: the package's own code is of no use here.
    spec = find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise DataError(
            "The pictures of the demo 'solar-cells' are not installed.",
            cause="they are an extra, because their licence forbids commercial use",
            todo="pip install 'tlpipe[demo]'",
        )
    data = Path(spec.origin).parent / "data"
    pictures = {}
    for line in (data / "labels.csv").read_text(encoding="utf-8").splitlines():
        path, probability, _wafer = line.split()
        label = "defective" if float(probability) > 0.5 else "functional"
        pictures[f"{label}/{Path(path).name}"] = data / path
    return pictures


_DEMOS = {"solar-cells": _solar_cells}


def _wanted_sizes(pictures: dict[str, Path]) -> dict[str, int]:
    sizes = {target: source.stat().st_size for target, source in pictures.items()}
    return {**sizes, _LICENCE_FILE: len(_LICENCE_TEXT.encode())}


def _sizes(directory: Path) -> dict[str, int]:
    """Bytes of each file below ``directory`` but hidden ones, which file managers leave behind."""
    if directory.exists() and not directory.is_dir():
        raise DataError(
            f"'{directory}' is a file, not a folder.", todo="name a folder that does not exist yet"
        )
    return {
        file.relative_to(directory).as_posix(): file.stat().st_size
        for file in directory.rglob("*")
        if file.is_file() and not file.name.startswith(".")
    }


def _write(directory: Path, pictures: dict[str, Path], progress: Progress | None) -> None:
    directory = directory.absolute()
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.with_name(f".{directory.name}.{os.getpid()}")
    try:
        for label in {target.split("/")[0] for target in pictures}:
            (partial / label).mkdir(parents=True)
        for done, (target, source) in enumerate(pictures.items(), start=1):
            shutil.copyfile(source, partial / target)
            if progress:
                progress(done, len(pictures))
        (partial / _LICENCE_FILE).write_bytes(_LICENCE_TEXT.encode())
        if directory.exists():
            directory.rmdir()
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
