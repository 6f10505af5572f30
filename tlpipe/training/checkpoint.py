"""Everything an interrupted training step needs to go on as if nothing had happened."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from tlpipe.pipeline.atomic import writing


@dataclass
class Progress:
    """Where a training step stands after a whole epoch.

    Attributes:
        epoch: epochs finished.
        best_epoch: the epoch (from 1) with the best validation score; 0 before the first.
        best_score: that score; larger is better.
        history: one row an epoch.
        best: the trained weights at the best epoch, in the order of the cut's ``suffix.weights``.
        batch_size: that of every epoch so far; the schedule hangs on it.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = float("-inf")
    history: list[dict] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)
    batch_size: int | None = None


def arrays(variables: list) -> list[np.ndarray]:
    """The values of Keras variables as NumPy arrays of their own."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables: list, values: list[np.ndarray]) -> None:
    """Sets the variables, in order; raises ValueError when counts or shapes differ."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def save(path: Path, progress: Progress, suffix: keras.Model, optimizer) -> None:
    """Writes weights, random state, optimizer state, best weights and history as one file."""
    facts = {
        "epoch": progress.epoch,
        "best_epoch": progress.best_epoch,
        "best_score": progress.best_score,
        "history": progress.history,
        "batch_size": progress.batch_size,
    }
    groups = {
        "model": arrays(suffix.variables),
        "optimizer": arrays(optimizer.variables),
        "best": progress.best,
    }
    flat = {f"{g}.{i}": value for g, values in groups.items() for i, value in enumerate(values)}
    with writing(path) as temporary:
        np.savez(temporary, facts=np.array(json.dumps(facts)), **flat)


def restore(path: Path, suffix: keras.Model, optimizer) -> Progress:
    """Puts the model and the (built) optimizer back; a fresh Progress when there is no file."""
    if not path.exists():
        return Progress()
    with np.load(path) as file:
        facts = json.loads(str(file["facts"]))

        def group(name: str) -> list[np.ndarray]:
            count = sum(key.startswith(f"{name}.") for key in file.files)
            return [file[f"{name}.{i}"] for i in range(count)]

        assign(suffix.variables, group("model"))
        assign(optimizer.variables, group("optimizer"))
        return Progress(**facts, best=group("best"))


def batch_size(path: Path) -> int | None:
    """The batch size that the step was begun with; None when it was not begun."""
    if not path.exists():
        return None
    with np.load(path) as file:
        return json.loads(str(file["facts"])).get("batch_size")


def save_weights(path: Path, values: list[np.ndarray]) -> None:
    """Writes the trained weights alone, in the order of ``suffix.weights``."""
    with writing(path) as temporary:
        np.savez(temporary, **{str(i): value for i, value in enumerate(values)})


def load_weights(path: Path) -> list[np.ndarray]:
    """Reads what :func:`save_weights` wrote."""
    with np.load(path) as file:
        return [file[str(i)] for i in range(len(file.files))]
