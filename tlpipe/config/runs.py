"""Where a run goes when nobody says."""

from __future__ import annotations

import re
import time
from pathlib import Path

from tlpipe.config.load import dump
from tlpipe.config.settings import Pipeline


def default_folder(pipeline: Pipeline, root: Path = Path("runs")) -> Path:
    """``runs/NAME-DATE``; the same settings again give the same folder, so that they resume.

    A folder that holds other settings is left alone and the next free number is taken.
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
    while folder.exists():
        number += 1
        folder = root / f"{first}-{number}"
    return folder
