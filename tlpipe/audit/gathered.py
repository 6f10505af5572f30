"""All parts of a subject side by side, for what is asked of the data as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tlpipe.audit.finding import Thumbnail
from tlpipe.audit.subject import Subject
from tlpipe.audit.thumbnails import webp
from tlpipe.data.sample import Sampler
from tlpipe.data.scan import PARTS


@dataclass(frozen=True)
class Gathered:
    """Rows of every part, in the order train, val, test.

    Attributes:
        subject: whose they are.
        part: str (n,), of each picture.
        rows: int64 (n,), of the manifest.
        labels: int64 (n,), positions in ``subject.names``.
        features: float32 (n, d).
    """

    subject: Subject
    part: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    features: np.ndarray

    @classmethod
    def of(cls, subject: Subject) -> Gathered:
        """What the subject looks at, part by part."""
        there = [part for part in PARTS if len(subject.rows(part))]
        return cls(
            subject,
            np.concatenate([np.full(len(subject.rows(part)), part) for part in there]),
            np.concatenate([subject.rows(part) for part in there]),
            np.concatenate([subject.labels(part) for part in there]),
            np.concatenate([subject.features(part) for part in there]),
        )

    @cached_property
    def audited(self) -> np.ndarray:
        """Bool (n,): in the part that is audited."""
        return self.part == self.subject.part

    @cached_property
    def files(self) -> list:
        """The rows of the manifest themselves."""
        return [self.subject.manifest.pictures[row] for row in self.rows]

    @cached_property
    def groups(self) -> list[str]:
        """Names of the groups that stay together, "" where a picture is alone."""
        return [file.group for file in self.files]


def thumbnail(subject: Subject, rows: list[int], caption: str) -> Thumbnail:
    """One or more pictures of the manifest side by side, as the network sees them."""
    about = subject.classifier.metadata
    sampler = Sampler(subject.manifest, about.size, about.resize, pixels=about.pixels)
    picture = np.concatenate([sampler.plain(row) for row in rows], axis=1)
    side = 112 * len(rows)
    return Thumbnail(caption=caption, alt=caption, webp=webp(picture, side))
