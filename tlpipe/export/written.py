"""The words that go with an export: class names, and everything else that is known of it."""

from __future__ import annotations

from pathlib import Path

from tlpipe.export.whole_folder import MARK
from tlpipe.pipeline.atomic import write_json, write_text

LABELS, ABOUT = "labels.txt", MARK


def write_words(folder: Path, about: dict) -> None:
    """``labels.txt``, a name a line in the order of the outputs, and ``about.json``."""
    write_text(folder / LABELS, "".join(f"{name}\n" for name in about["class_names"]))
    write_json(folder / ABOUT, about)
