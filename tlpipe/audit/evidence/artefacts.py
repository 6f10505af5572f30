"""Artefacts that cover a whole picture, which no small patch shows: to find, take out and put in.

Another brightness, a frame of one colour, and a faint overlay such as a watermark. Each is
estimated on training pictures, scored on others, and can be taken out of a picture, or put into it,
for a counterfactual; each of the two has a control, an equal change that leaves the artefact alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tlpipe.audit.evidence.statistics import each, each_array, edge_strips
from tlpipe.data.pixels import gray

_TONES = (0.1, 1, 5, 25, 50, 75, 95, 99)
# Gray levels below which a shift is not worth a trial, and to which a large one is cut.
_LEAST_SHIFT, _SHIFT = 6, 60
# Of a strip along an edge: how far its pixels may lie from its colour to be called uniform, and how
# far two colours to be called the same.
_UNIFORM, _NEAR = 6.0, 12.0
_DEEPEST = 0.2
_FINE = 112


@dataclass(frozen=True)
class Seen:
    """What is looked at in each picture, computed once.

    Attributes:
        tones: float (n, t), levels that given shares of the pixels lie below.
        strips: float (n, 4, channels + 1): of each edge the colour, and how far its pixels lie
            from it.
        details: float32 (n, d, d): fine detail over its strength around.
    """

    tones: np.ndarray
    strips: np.ndarray
    details: np.ndarray


def see(pictures: np.ndarray) -> Seen:
    """Looks at uint8 pictures (n, s, s, channels)."""
    return Seen(
        each_array(_tones, pictures),
        each_array(edge_strips, pictures),
        np.stack(each(_even_detail, pictures)),
    )


class Artefact(Protocol):
    """Something that covers a picture. All methods take and give uint8 (s, s, channels)."""

    def scores(self, seen: Seen) -> np.ndarray:
        """float (n,): how much each of the pictures shows it."""

    def removed(self, picture: np.ndarray) -> np.ndarray:
        """The picture without it."""

    def unremoved(self, picture: np.ndarray) -> np.ndarray:
        """The control: changed as much, and still with it."""

    def added(self, picture: np.ndarray) -> np.ndarray:
        """The picture with it."""

    def unadded(self, picture: np.ndarray) -> np.ndarray:
        """The control: changed as much, and without it."""


@dataclass(frozen=True)
class Shift:
    """A class that is brighter or darker by ``amount`` gray levels than it would be.

    Attributes:
        amount: positive where the class is brighter.
        model: tones to a score.
    """

    amount: float
    model: Pipeline

    @classmethod
    def find(cls, seen: Seen, labels: np.ndarray, label: int, *, brighter: bool) -> Shift | None:
        """A shift of a class up or down; None where its darkest or lightest level does not say so.

        What was made brighter has lost its blacks, and what was made darker its whites; how dark
        or light the pictures are in the middle is their nature, and says nothing.
        """
        tones, chosen = seen.tones, labels == label
        extreme = tones[:, 0 if brighter else len(_TONES) - 1]
        usual = [np.median(extreme[labels == other]) for other in np.unique(labels[~chosen])]
        amount = float(np.median(extreme[chosen]) - np.mean(usual))
        if (amount if brighter else -amount) < _LEAST_SHIFT:
            return None
        model = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000)
        )
        return cls(float(np.clip(amount, -_SHIFT, _SHIFT)), model.fit(tones, chosen))

    def scores(self, seen: Seen) -> np.ndarray:
        """float (n,): of the logistic regression on tones."""
        return self.model.decision_function(seen.tones)

    def removed(self, picture: np.ndarray) -> np.ndarray:
        """Shifted back."""
        return _shifted(picture, -self.amount)

    def unremoved(self, picture: np.ndarray) -> np.ndarray:
        """Shifted further."""
        return _shifted(picture, self.amount)

    def added(self, picture: np.ndarray) -> np.ndarray:
        """Shifted as the class is."""
        return _shifted(picture, self.amount)

    def unadded(self, picture: np.ndarray) -> np.ndarray:
        """Shifted the other way."""
        return _shifted(picture, -self.amount)


@dataclass(frozen=True)
class Frame:
    """A strip of one colour along some edges.

    Attributes:
        depths: pixels at the top, bottom, left and right; 0 where there is none.
        colours: float (4, channels).
    """

    depths: tuple[int, int, int, int]
    colours: np.ndarray

    @classmethod
    def find(
        cls,
        seen: Seen,
        pictures: np.ndarray,
        labels: np.ndarray,
        label: int,
        recurrence: float = 0.6,
        elsewhere: float = 1 / 64,
    ) -> Frame | None:
        """Strips that ``recurrence`` of the class has and at most ``elsewhere`` of the rest."""
        strips, chosen = seen.strips, labels == label
        colours = np.zeros((4, pictures.shape[3]))
        depths = [0] * 4
        for edge in range(4):
            own = strips[chosen, edge]
            uniform = own[own[:, -1] < _UNIFORM, :-1]
            if len(uniform) < recurrence * len(own):
                continue
            colours[edge] = np.median(uniform, axis=0)
            hits = _hits(strips[:, edge], colours[edge])
            if hits[chosen].mean() >= recurrence and hits[~chosen].mean() <= elsewhere:
                depths[edge] = _depth(pictures[chosen & hits], edge, colours[edge])
        return cls(tuple(depths), colours) if any(depths) else None

    def scores(self, seen: Seen) -> np.ndarray:
        """float (n,): the share of the frame's edges that each picture has in its colour."""
        edges = [edge for edge in range(4) if self.depths[edge]]
        return np.mean([_hits(seen.strips[:, e], self.colours[e]) for e in edges], axis=0)

    def removed(self, picture: np.ndarray) -> np.ndarray:
        """The frame replaced by the mirror image of what lies inside of it."""
        return _mirrored(picture, self.depths, start=0)

    def unremoved(self, picture: np.ndarray) -> np.ndarray:
        """A ring as wide, just inside the frame, replaced in the same way."""
        return _mirrored(picture, self.depths, start=1)

    def added(self, picture: np.ndarray) -> np.ndarray:
        """The frame painted over the picture."""
        return _framed(picture, self.depths, self.colours)

    def unadded(self, picture: np.ndarray) -> np.ndarray:
        """A frame in the picture's own mean colour."""
        own = picture.mean(axis=(0, 1), dtype=np.float64)
        return _framed(picture, self.depths, np.broadcast_to(own, (4, len(own))))


@dataclass(frozen=True)
class Overlay:
    """A faint drawing over the whole picture, the same in all pictures of a class.

    Attributes:
        drawing: float32 (s, s, channels), gray levels that it adds.
        pattern: float32 (_FINE, _FINE): the drawing in pictures of equal local contrast.
    """

    drawing: np.ndarray
    pattern: np.ndarray

    @classmethod
    def find(
        cls, seen: Seen, drawings: dict[int, np.ndarray], labels: np.ndarray, label: int
    ) -> Overlay | None:
        """The usual fine detail of the class minus that of the other classes.

        None where the difference is more of the others' making than of the class's own, or where
        there are no others.
        """
        others = [other for other in drawings if other != label]
        if not others:
            return None
        own = seen.details[labels == label].mean(axis=0)
        rest = np.mean([seen.details[labels == other].mean(axis=0) for other in others], axis=0)
        pattern = own - rest
        if (own * pattern).sum() <= (-rest * pattern).sum():
            return None
        # Weighted by how many pictures they have: a few are noise.
        sizes = [(labels == other).sum() for other in others]
        rest = np.average([drawings[other] for other in others], axis=0, weights=sizes)
        drawing = (drawings[label] - rest).astype(np.float32)
        return cls(_agreed(drawing), pattern.astype(np.float32))

    def scores(self, seen: Seen) -> np.ndarray:
        """float (n,): the pattern's scalar product with each picture's fine detail."""
        return np.einsum("nij,ij->n", seen.details, self.pattern)

    def removed(self, picture: np.ndarray) -> np.ndarray:
        """The drawing subtracted."""
        return _plus(picture, -self.drawing)

    def unremoved(self, picture: np.ndarray) -> np.ndarray:
        """A drawing of the same strength and fineness that shows nothing, subtracted."""
        return _plus(picture, -self._scrambled)

    def added(self, picture: np.ndarray) -> np.ndarray:
        """The drawing added."""
        return _plus(picture, self.drawing)

    def unadded(self, picture: np.ndarray) -> np.ndarray:
        """A drawing of the same strength and fineness that shows nothing, added."""
        return _plus(picture, self._scrambled)

    @cached_property
    def _scrambled(self) -> np.ndarray:
        """The drawing with the phases of noise: equal amplitudes at all frequencies.

        The drawing itself at another place would not do: a network knows letters anywhere.
        """
        noise = np.random.default_rng(0).normal(size=self.drawing.shape[:2])
        turns = np.fft.rfft2(noise)
        turns /= np.abs(turns) + 1e-12
        waves = np.fft.rfft2(self.drawing, axes=(0, 1)) * turns[..., None]
        return np.fft.irfft2(waves, s=noise.shape, axes=(0, 1)).astype(np.float32)


def drawings(pictures: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    """The median fine detail of each class, of its pictures by halves: float32 (2, s, s, channels).

    Edges of what the pictures show lie elsewhere in each, and leave the median near zero. A class
    of a single picture has no halves, and is left out.
    """
    found = {}
    for label in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            continue
        halves = [np.median(each(_detail, pictures[rows[i::2]]), axis=0) for i in (0, 1)]
        found[label] = np.stack(halves).astype(np.float32)
    return found


def _agreed(halves: np.ndarray) -> np.ndarray:
    """The mean of two estimates (2, s, s, channels), damped where they do not agree (Wiener)."""
    first, second = halves
    middle = (first + second) / 2
    common = cv2.boxFilter((first * second).mean(axis=2), -1, (5, 5))
    whole = cv2.boxFilter((middle * middle).mean(axis=2), -1, (5, 5))
    return middle * np.clip(common / (whole + 1e-6), 0, 1)[..., None]


def _tones(picture: np.ndarray) -> np.ndarray:
    few = np.ascontiguousarray(picture[::2, ::2])
    return np.array([*np.percentile(gray(few), _TONES), np.percentile(few.min(axis=2), _TONES[0])])


def _shifted(picture: np.ndarray, amount: float) -> np.ndarray:
    return _plus(picture, np.float32(amount))


def _plus(picture: np.ndarray, levels: np.ndarray | np.float32) -> np.ndarray:
    return np.rint(np.clip(picture.astype(np.float32) + levels, 0, 255)).astype(np.uint8)


def _hits(strips: np.ndarray, colour: np.ndarray) -> np.ndarray:
    near = np.abs(strips[:, :-1] - colour).max(axis=1) < _NEAR
    return near & (strips[:, -1] < _UNIFORM)


def _depth(pictures: np.ndarray, edge: int, colour: np.ndarray) -> int:
    """How many rows from the edge have the colour in most pictures, and one for the transition."""
    size = pictures.shape[1]
    deepest = int(_DEEPEST * size)
    rows = pictures if edge < 2 else pictures.transpose(0, 2, 1, 3)
    rows = rows[:, :deepest] if edge % 2 == 0 else rows[:, : -deepest - 1 : -1]
    distance = np.median(np.abs(rows - colour).mean(axis=(2, 3)), axis=0)
    far = np.flatnonzero(distance > _NEAR)
    return min(deepest, (int(far[0]) if len(far) else deepest) + 1)


def _mirrored(picture: np.ndarray, depths: tuple[int, ...], start: int) -> np.ndarray:
    """The ring from ``start`` to ``start`` + 1 depths replaced by the mirror image inside of it."""
    size = len(picture)
    top, bottom, left, right = depths
    outer = (slice(start * top, size - start * bottom), slice(start * left, size - start * right))
    inner = picture[outer][top : (-bottom or None), left : (-right or None)]
    out = picture.copy()
    out[outer] = np.pad(inner, [(top, bottom), (left, right), (0, 0)], mode="symmetric")
    return out


def _framed(picture: np.ndarray, depths: tuple[int, ...], colours: np.ndarray) -> np.ndarray:
    out = picture.copy()
    top, bottom, left, right = depths
    levels = np.rint(colours).astype(np.uint8)
    out[:top], out[len(out) - bottom :] = levels[0], levels[1]
    out[:, :left], out[:, len(out) - right :] = levels[2], levels[3]
    return out


def _detail(picture: np.ndarray) -> np.ndarray:
    levels = picture.astype(np.float32)
    coarse = cv2.GaussianBlur(levels, (0, 0), len(picture) / 28).reshape(levels.shape)
    return levels - coarse


def _even_detail(picture: np.ndarray) -> np.ndarray:
    """float32 (_FINE, _FINE): fine detail over its strength around, so that no edge outweighs."""
    side = min(_FINE, len(picture))
    flat = gray(np.ascontiguousarray(picture))
    small = cv2.resize(flat, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = small - cv2.GaussianBlur(small, (0, 0), 2)
    strength = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 6)) + 1.5
    return np.clip(detail / strength, -2, 2)
