"""What a picture's label is: everything in training and scoring that follows from it.

A target's *truth* is float32 (n, outputs): what scores compare. Its *aims* have the same shape:
what the loss compares with the logits. Its *answers* are what the saved model gives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from tlpipe.config.settings import Training
from tlpipe.errors import ConfigError


class Target(ABC):
    """One kind of label. Subclasses set the class variables.

    Attributes:
        kind: ``class``, ``labels`` or ``number``.
        watched: the validation scores of an epoch beside the loss; the last is the one shown.
        judges: the scores that can tell whether unfreezing helped, the default first.
        smaller: those of them of which less is better.
        can_balance: whether rare ones can weigh more.
        starts_at_zero: whether the untrained head answers zero logits, and not random ones.
        names: what each output stands for.
    """

    kind: ClassVar[str]
    watched: ClassVar[tuple[str, ...]]
    judges: ClassVar[tuple[str, ...]]
    smaller: ClassVar[tuple[str, ...]] = ()
    can_balance: ClassVar[bool] = False
    starts_at_zero: ClassVar[bool] = False

    def __init__(self, names: Sequence[str]):
        self.names = tuple(names)

    @property
    def outputs(self) -> int:
        """Logits a picture has."""
        return len(self.names)

    @abstractmethod
    def truth(self, labels: Sequence[str]) -> np.ndarray:
        """Labels as they stand in the manifest, as float32 (n, outputs).

        Raises:
            DataError: a label that the target does not know.
        """

    def aims(self, truth: np.ndarray) -> np.ndarray:
        """What the loss compares with the logits, float32 (n, outputs)."""
        return truth

    def weights(self, truth: np.ndarray) -> np.ndarray:
        """What ``balance`` weighs each picture with, float32 (n,)."""
        raise NotImplementedError(f"{self.kind} can't be balanced")

    @abstractmethod
    def loss(self, settings: Training) -> keras.losses.Loss:
        """What training minimizes; takes (aims, logits)."""

    @abstractmethod
    def answer_layer(self) -> keras.layers.Layer:
        """The last layer of the saved model: logits to answers, float32 (b, outputs)."""

    @abstractmethod
    def answers(self, logits: np.ndarray) -> np.ndarray:
        """What ``answer_layer`` makes of logits (n, outputs), in float64."""

    @abstractmethod
    def watch(self, truth: np.ndarray, logits: np.ndarray) -> dict[str, float | None]:
        """``val_loss`` and ``val_`` with each name of ``watched``."""

    @abstractmethod
    def scores(
        self, truth: np.ndarray, answers: np.ndarray, *, seed: int, **how: Any
    ) -> dict[str, Any]:
        """One part of metrics.json; ``how`` may hold ``resamples`` and ``groups``."""

    @abstractmethod
    def difference(
        self, truth: np.ndarray, a: np.ndarray, b: np.ndarray, score: str, **how: Any
    ) -> dict[str, float | None]:
        """Paired bootstrap of score(b) - score(a), two models' logits: value, low, high.

        Args:
            truth: float32 (n, outputs).
            a, b: logits, (n, outputs).
            score: one of ``judges``.
            how: ``seed``, and ``groups``, int (n,), of pictures that are drawn together.
        """

    def fitted(self, truth: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
        """Fields of the saved model's metadata that the validation part decides."""
        return {}

    @abstractmethod
    def headline(self, scores: Mapping[str, Any]) -> str:
        """The scores that matter most, with their intervals, in one line."""

    @abstractmethod
    def say(self, answer: np.ndarray) -> str:
        """One picture's answer, float (outputs,), as it is written into a table."""

    @classmethod
    def check(cls, training: Training, step: str) -> None:
        """Raises ConfigError for settings of a training step that don't fit this target."""
        if training.monitor != "loss" and training.monitor not in cls.watched:
            known = ", ".join(("loss", *cls.watched))
            raise ConfigError(
                f"'{step}.monitor' is '{training.monitor}', which a target of the kind "
                f"'{cls.kind}' does not have.",
                todo=f"use one of: {known}",
            )
        if training.balance and not cls.can_balance:
            raise ConfigError(
                f"A target of the kind '{cls.kind}' can't be balanced.",
                cause="a picture has no single class that could be rare",
                todo=f"leave out --balance, or --set {step}.balance=false",
            )

    @classmethod
    def judge(cls, score: str) -> str:
        """The score that tells whether unfreezing helped; ``auto`` is the default one.

        Raises:
            ConfigError: one that this target does not have.
        """
        if score == "auto":
            return cls.judges[0]
        if score not in cls.judges:
            raise ConfigError(
                f"'select.score' is '{score}', which a target of the kind '{cls.kind}' does not "
                "have.",
                todo=f"use one of: auto, {', '.join(cls.judges)}",
            )
        return score


def bracketed(value: float, interval: Sequence[float] | None) -> str:
    """``0.873 [0.840, 0.903]``."""
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")
