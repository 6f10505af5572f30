"""How what a search for shortcuts found is shown, in words and in pictures."""

from __future__ import annotations

import cv2
import numpy as np

from tlpipe.audit.evidence.artefacts import Artefact, Frame, Shift
from tlpipe.audit.evidence.patches import Patch
from tlpipe.data.pixels import as_rgb

_EDGES = ("the top", "the bottom", "the left", "the right")


def described(artefact: Artefact) -> str:
    """What covers the whole picture, in words."""
    if isinstance(artefact, Shift):
        direction = "higher" if artefact.amount > 0 else "lower"
        return f"a brightness {abs(artefact.amount):.0f} of 255 levels {direction}"
    if isinstance(artefact, Frame):
        edges = [name for name, deep in zip(_EDGES, artefact.depths, strict=True) if deep]
        along = "all edges" if len(edges) == len(_EDGES) else " and ".join(edges)
        return f"a frame of one colour along {along}"
    return "the same drawing laid over all of them"


def where(patch: Patch) -> str:
    """Where a mark sits, in words."""
    if not patch.fixed:
        return "at changing places"
    words = [
        names[min(2, int(3 * share))]
        for names, share in zip(
            (("top", "middle", "bottom"), ("left", "centre", "right")), patch.place, strict=True
        )
    ]
    return f"always at the {' '.join(words)}"


def outlined(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """uint8 (s, s, 3): the picture with a box (top, left, bottom, right) drawn around it."""
    top, left, bottom, right = (int(x) for x in box)
    shown = np.ascontiguousarray(as_rgb(picture))
    return cv2.rectangle(shown.copy(), (left - 1, top - 1), (right, bottom), (255, 0, 160), 2)


def strong(drawing: np.ndarray) -> np.ndarray:
    """Gray where the drawing changes nothing; contrast so that it fills the range."""
    return np.rint(np.clip(128 + 100 * drawing / (3 * drawing.std() + 1e-6), 0, 255)).astype(
        np.uint8
    )
