"""Where a run goes when nobody says."""

from __future__ import annotations

import re
import time
from collections.abc import Set
from pathlib import Path

from tlpipe.config.load import dump
from tlpipe.config.settings import Pipeline
from tlpipe.config.source import name_of
from tlpipe.errors import RunError

# What a run writes before its first stage.
_EARLY = {".lock", ".lock.json", "log.txt", "config.yaml"}
# A file half-written when its process was killed, as ``pipeline.atomic.beside`` names it.
_TORN = re.compile(r"\..+\.\d+-[0-9a-f]{8}(\.\w+)?")


def default_folder(pipeline: Pipeline, root: Path = Path("runs")) -> Path:
    """``runs/NAME-DATE``; the same settings again give the same folder, so that they resume.

    What is not one class a picture has its target in the name: ``runs/NAME-labels-DATE``.

    A folder that holds other settings is left alone and the next free number is taken, unless
    nothing was trained in it yet: an attempt that failed early leaves no clutter.
    """
    scan = pipeline.stages.get("scan")
    name = re.sub(r"[^\w.-]+", "-", name_of(scan.data)) if scan and scan.data else "run"
    if scan and scan.target != "class":
        name = f"{name}-{scan.target}"
    wanted = dump(pipeline)
    for folder in sorted(root.glob(f"{name}-????-??-??*")):
        config = folder / "config.yaml"
        if config.exists() and config.read_text(encoding="utf-8") == wanted:
            return folder
    first = f"{name}-{time.strftime('%Y-%m-%d')}"
    number, folder = 1, root / first
    while folder.exists() and not _barely_begun(folder):
        number += 1
        folder = root / f"{first}-{number}"
    return folder


def check_folder(folder: Path, pipeline: Pipeline) -> None:
    """Raises RunError where a run would write over, or among, what is not its own."""
    check_outside(folder, pipeline)
    if not (folder / "stages").is_dir():
        check_alone(folder, _EARLY)


def check_alone(folder: Path, own: Set[str]) -> None:
    """Raises RunError where ``folder`` holds other things than ``own``."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    others = {name for name in names - own if not _TORN.fullmatch(name)}
    if others:
        raise RunError(
            f"The folder '{folder}' holds other things, such as '{min(others, key=_hidden_last)}'.",
            todo="choose a new folder with --out, so that nothing of yours is written over",
        )


def _hidden_last(name: str) -> tuple[bool, str]:
    return name.startswith("."), name


def check_outside(folder: Path, pipeline: Pipeline) -> None:
    """Raises RunError where results would lie among the pictures, or on what is read."""
    data = pipeline.stages["scan"].data if "scan" in pipeline.stages else None
    if data and Path(data).resolve() == (folder / "manifest.csv").resolve():
        raise RunError(
            f"The folder '{folder}' holds the manifest that is read.",
            cause="the run would write its own over it",
            todo="choose another folder with --out",
        )
    if data and folder.resolve().is_relative_to(Path(data).resolve()):
        raise RunError(
            f"The folder '{folder}' lies in the folder of pictures.",
            cause="its plots would be taken for pictures",
            todo="choose another folder with --out",
        )


def _barely_begun(folder: Path) -> bool:
    """Whether a run was begun here, has trained nothing, and no process holds the folder."""
    begun = (folder / "config.yaml").exists() and not (folder / "stages" / "head").exists()
    return begun and not (folder / ".lock.json").exists()
