"""The check, called as the command calls it, and what it found by name."""

from __future__ import annotations

from contextlib import contextmanager

import cv2
import numpy as np

from tlpipe.audit.finding import Finding
from tlpipe.check.check import Check, check
from tlpipe.config.load import FINETUNE, override, validate


@contextmanager
def no_bar(title):
    yield lambda done, total: None


def checked(data, *assignments: str) -> Check:
    """The check of ``data`` under ``stage.key=value`` settings."""
    settings = override(FINETUNE, [f"scan.data={data}", *assignments])
    return check(validate(settings), no_bar)


def found(check: Check) -> dict[str, Finding]:
    """The findings by name."""
    return {f.name: f for section in check.sections for f in section.findings}


def facts(check: Check, name: str) -> dict:
    """What a section measured."""
    return next(section.facts for section in check.sections if section.name == name)


def opened(path) -> np.ndarray:
    """uint8 (h, w, 3) RGB."""
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma)
