"""What counts as better: a score of the validation part."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tlpipe.errors import ConfigError, TrainingError, nearest
from tlpipe.metrics import scores
from tlpipe.targets.target import Target

Score = Callable[[np.ndarray, np.ndarray], float | None]
SMALLER_IS_BETTER = ("log_loss", "brier", "ece", "mae")


def maximized(objective: str) -> bool:
    """Whether larger is better; always so for a user's own function."""
    return objective not in SMALLER_IS_BETTER


def load_objective(objective: str) -> Score:
    """A score of (labels int (n,), probabilities float (n, k)) by name or as ``file.py:function``.

    Raises:
        ConfigError: there is no such score, file or function.
    """
    if objective in scores.SCALARS:
        return scores.SCALARS[objective]
    path, colon, name = objective.rpartition(":")
    if not colon:
        raise ConfigError(
            f"There is no score '{objective}'.",
            todo=nearest(objective, scores.SCALARS) + ", or write file.py:function",
        )
    if not Path(path).is_file():
        raise ConfigError(
            f"There is no file '{path}' (in the objective '{objective}').",
            todo="write the objective as file.py:function",
        )
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, name, None)):
        raise ConfigError(
            f"'{path}' has no function '{name}'.",
            todo=nearest(name, [n for n in vars(module) if callable(getattr(module, n))]),
        )
    return getattr(module, name)


def check_objective(objective: str, target: type[Target]) -> None:
    """Raises ConfigError for a score that is not one of the target's."""
    if target.kind == "class":
        load_objective(objective)
    elif objective not in _watched(target):
        raise ConfigError(
            f"The objective '{objective}' is not for a target of the kind '{target.kind}'.",
            todo=f"use --objective {' or '.join(_watched(target))}",
        )


def evaluate(objective: str, target: Target, truth: np.ndarray, logits: np.ndarray) -> float:
    """The score of logits, float (n, outputs). Raises TrainingError when it is not finite."""
    if target.kind == "class":
        value = load_objective(objective)(truth.argmax(axis=1), scores.softmax(logits))
    else:
        value = target.watch(truth, logits)[_watched(target)[objective]]
    if value is None or not math.isfinite(value):
        raise TrainingError(
            f"The validation {objective} is {value}.",
            cause="the logits are not finite, or validation holds pictures of one class only",
            todo="see the trial's log.txt",
        )
    return float(value)


def _watched(target: type[Target]) -> dict[str, str]:
    """What a search can go by, and the epoch's score that it is."""
    names = {name: f"val_{name}" for name in reversed(target.watched)}
    return names if target.kind == "number" else {**names, "log_loss": "val_loss"}
