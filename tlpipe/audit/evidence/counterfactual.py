"""What the model says of a picture that differs in one thing only, beside a change like it.

That something gives a class away in the data does not mean that the model uses it. So it is taken
out of pictures, and put into others, and the class margin is compared with that after an equally
large change that has nothing to do with it: Chang et al., "Explaining Image Classifiers by
Counterfactual Generation", 2019; the paired control is what makes the two comparable.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from scipy import stats

Logits = Callable[[np.ndarray], np.ndarray]
"""uint8 (n, s, s, channels) to float (n, k)."""
Box = tuple[int, int, int, int]
"""top, left, bottom, right in pixels; bottom and right are the first that don't belong to it."""

# Pictures below which nothing is concluded.
FEW = 5
# Logits: a standard error below this is luck, or a model that rounds.
_ERROR = 0.01
# A probability that can still be told from none.
_SMALLEST = 1e-300
_AROUND = 2
_TRIES = 50


@dataclass(frozen=True)
class Effect:
    """What a change does to a class, compared with its control, on the same pictures.

    Attributes:
        pictures: how many.
        drop: mean of margin after the control minus margin after the change, logits; negative
            where the change makes the class more likely.
        z: that mean over its standard error, which counts as 0.01 logits at least, as the normal
            deviate that is as likely as Student's t of so many pictures: of a few, chance makes
            larger ones.
        change: mean margin before minus after the change.
        control: mean margin before minus after the control.
        flips: share of all pictures whose decision for or against the class the change turns.
        control_flips: likewise the control.
    """

    pictures: int
    drop: float
    z: float
    change: float
    control: float
    flips: float
    control_flips: float

    def lowers(self, z: float, drop: float) -> bool:
        """Whether the change takes at least ``drop`` from the margin, with ``z`` or more."""
        return self.pictures >= FEW and self.z >= z and self.drop >= drop

    def raises(self, z: float, rise: float) -> bool:
        """Whether the change adds at least ``rise`` to the margin, with ``z`` or more."""
        return self.pictures >= FEW and -self.z >= z and -self.drop >= rise

    def facts(self) -> dict[str, float]:
        """All of it by name, for JSON."""
        return asdict(self)


NONE = Effect(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def margin(logits: np.ndarray, label: int) -> np.ndarray:
    """float64 (n,): the logit of a class minus the largest other; positive where it wins."""
    logits = np.asarray(logits, np.float64)
    return logits[:, label] - np.delete(logits, label, axis=1).max(axis=1)


def effect(
    logits_of: Logits,
    before: np.ndarray,
    changed: list[np.ndarray],
    controls: list[np.ndarray],
    label: int,
) -> Effect:
    """Compares two changes of the same pictures.

    Args:
        logits_of: the model.
        before: float (n, k), logits of the pictures as they are.
        changed: n pictures with the change.
        controls: n pictures with the control.
        label: the class whose margin is looked at.
    """
    n = len(before)
    if not n:
        return NONE
    after = margin(logits_of(np.stack([*changed, *controls])), label)
    start, change, control = margin(before, label), after[:n], after[n:]
    difference = control - change
    error = difference.std(ddof=1) / np.sqrt(n) if n > 1 else 0.0
    return Effect(
        pictures=n,
        drop=float(difference.mean()),
        z=_deviate(float(difference.mean() / max(error, _ERROR)), n),
        change=float((start - change).mean()),
        control=float((start - control).mean()),
        flips=float(((start > 0) != (change > 0)).mean()),
        control_flips=float(((start > 0) != (control > 0)).mean()),
    )


def _deviate(t: float, n: int) -> float:
    """Student's t of n values as the normal deviate of the same probability."""
    if n < 2:
        return 0.0
    beyond = max(float(stats.t.sf(abs(t), n - 1)), _SMALLEST)
    return math.copysign(float(stats.norm.isf(beyond)), t) if t else 0.0


def removal(
    logits_of: Logits,
    pictures: np.ndarray,
    before: np.ndarray,
    boxes: np.ndarray,
    label: int,
    seed: int,
) -> Effect:
    """Inpaints a box in each picture; the control inpaints one of its size elsewhere in it.

    Args:
        logits_of: the model.
        pictures: uint8 (n, s, s, channels).
        before: float (n, k), their logits.
        boxes: int (n, 4), what to remove.
        label: the class whose margin is looked at.
        seed: of the control's places.

    Returns:
        The effect; pictures in which there is no room for a control are left out.
    """
    changed, controls, kept = [], [], []
    for i, (picture, box) in enumerate(zip(pictures, boxes, strict=True)):
        other = elsewhere(box, picture.shape[0], np.random.default_rng([seed, i]))
        if other is not None:
            changed.append(inpainted(picture, box))
            controls.append(inpainted(picture, other))
            kept.append(i)
    return effect(logits_of, before[kept], changed, controls, label)


def pasting(
    logits_of: Logits,
    pictures: np.ndarray,
    before: np.ndarray,
    patch: np.ndarray,
    corners: np.ndarray,
    donors: np.ndarray,
    label: int,
    seed: int,
) -> Effect:
    """Pastes a patch into pictures; the control pastes a random piece of another picture there.

    Args:
        logits_of: the model.
        pictures: uint8 (n, s, s, channels), of other classes.
        before: float (n, k), their logits.
        patch: uint8 (h, w, channels).
        corners: int (n, 2): top and left of where it goes.
        donors: uint8 (m, s, s, channels): pictures of other classes to cut the control from.
        label: the class whose margin is looked at.
        seed: of the controls.
    """
    size = pictures.shape[1]
    # One that was seen at many places may have grown larger than a small picture.
    patch = patch[:size, :size]
    height, width = patch.shape[:2]
    changed, controls = [], []
    for i, (picture, corner) in enumerate(zip(pictures, corners, strict=True)):
        random = np.random.default_rng([seed, i])
        donor = donors[random.integers(len(donors))]
        top = random.integers(0, size - height + 1)
        left = random.integers(0, size - width + 1)
        changed.append(pasted(picture, patch, corner))
        controls.append(pasted(picture, donor[top : top + height, left : left + width], corner))
    return effect(logits_of, before, changed, controls, label)


def inpainted(picture: np.ndarray, box: Box | np.ndarray) -> np.ndarray:
    """A copy in which the box, and a rim of 2 pixels, is filled in from around it.

    Telea, "An Image Inpainting Technique Based on the Fast Marching Method", 2004.
    """
    top, left, bottom, right = (int(x) for x in box)
    top, left = max(0, top - _AROUND), max(0, left - _AROUND)
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[top : bottom + _AROUND, left : right + _AROUND] = 255
    picture = np.ascontiguousarray(picture)
    if picture.shape[2] == 3:
        return cv2.inpaint(picture, mask, 3, cv2.INPAINT_TELEA)
    # OpenCV knows one channel and three.
    channels = [
        cv2.inpaint(np.ascontiguousarray(picture[..., c]), mask, 3, cv2.INPAINT_TELEA)
        for c in range(picture.shape[2])
    ]
    return np.stack(channels, axis=2)


def pasted(picture: np.ndarray, patch: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """A copy with ``patch`` at ``corner`` (top, left), moved so far that it lies within."""
    room = np.array(picture.shape[:2]) - patch.shape[:2]
    top, left = np.clip(corner, 0, room)
    out = picture.copy()
    out[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
    return out


def elsewhere(box: Box | np.ndarray, size: int, random: np.random.Generator) -> Box | None:
    """A random box of the same size in the same picture that does not touch it; None if no room."""
    top, left, bottom, right = (int(x) for x in box)
    height, width = bottom - top, right - left
    rim = 2 * _AROUND
    for _ in range(_TRIES):
        y = int(random.integers(0, size - height + 1))
        x = int(random.integers(0, size - width + 1))
        apart = (
            y >= bottom + rim
            or y + height + rim <= top
            or x >= right + rim
            or x + width + rim <= left
        )
        if apart:
            return y, x, y + height, x + width
    return None
