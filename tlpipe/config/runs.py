"""Where a run goes when nobody says."""

from __future__ import annotations

import re
import time
from pathlib import Path

from tlpipe.config.load import dump
from tlpipe.config.settings import Pipeline


def default_folder(pipeline: Pipeline, root: Path = Path("runs")) -> Path:
    """``runs/NAME-DATE``; the same settings again give the same folder, so that they resume.

    A folder that holds other settings is left alone and the next free number is taken, unless
    nothing was trained in it yet: an attempt that failed early leaves no clutter.
    """
    data = pipeline.stages["scan"].data if "scan" in pipeline.stages else None
    name = re.sub(r"[^\w.-]+", "-", Path(data).resolve().name) if data else "run"
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


def _barely_begun(folder: Path) -> bool:
    """Whether a run was begun here, has trained nothing, and no process holds the folder."""
    begun = (folder / "config.yaml").exists() and not (folder / "stages" / "head").exists()
    return begun and not (folder / ".lock.json").exists()
