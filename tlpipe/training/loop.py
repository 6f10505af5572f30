"""The loop of one training step: epochs, validation, early stopping, exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tlpipe.config.settings import Training
from tlpipe.data.loader import epoch_order
from tlpipe.errors import TrainingError
from tlpipe.targets.target import Target
from tlpipe.training import checkpoint
from tlpipe.training.activations import Source
from tlpipe.training.devices import ONE, OneDevice, padded


@dataclass(frozen=True)
class Task:
    """What one training step works on.

    Attributes:
        name: ``head`` or ``unfreeze``.
        suffix: the compiled part of the network that trains; activations to logits.
        weights: its variables in the order in which the best ones are kept.
        source: delivers what the suffix reads.
        target: what a label is.
        truth: float32 (n, outputs), of each row of the manifest.
        train, val: rows of the manifest, int64.
        views: augmented views a picture has; None for a new one every epoch.
        first_view: the number of the first epoch's view when every epoch has a new one.
        devices: where the suffix computes.
    """

    name: str
    suffix: keras.Model
    weights: list[keras.Variable]
    source: Source
    target: Target
    truth: np.ndarray
    train: np.ndarray
    val: np.ndarray
    views: int | None = None
    first_view: int = 0
    devices: OneDevice = ONE

    def view(self, epoch: int) -> int:
        """The augmented view that ``epoch`` (from 0) sees."""
        return self.first_view + epoch if self.views is None else epoch % self.views


def steps_per_epoch(pictures: int, batch_size: int) -> int:
    """Optimizer steps an epoch; the last batch may be smaller."""
    return math.ceil(pictures / batch_size)


def predict_logits(
    suffix: keras.Model, source: Source, rows: np.ndarray, devices: OneDevice = ONE
) -> np.ndarray:
    """Logits, float32 (n, outputs), of the pictures in ``rows``, not augmented."""
    found, size = [], 0
    for values, _ in source.stream(rows, None):
        size = size or len(values)
        # The last batch too has the size of the others: another one would be compiled.
        logits = devices.predict(suffix, padded(values, size - len(values)))
        found.append(np.asarray(logits)[: len(values)])
    return np.concatenate(found)


def train(
    task: Task,
    settings: Training,
    *,
    seed: int,
    file: Path,
    say: Callable[[str], None],
    advance: Callable[[int, int, str], None],
    until: int | None = None,
) -> checkpoint.Progress:
    """Trains ``task.suffix``, or goes on from the checkpoint ``file``; leaves it at its best epoch.

    Args:
        task: what to train on; the suffix is compiled.
        settings: epochs, monitor, patience, balance.
        seed: of the order of the pictures.
        file: written after every epoch.
        say: takes a line for the person, one an epoch.
        advance: takes (steps done, steps in all, a note) for the progress bar.
        until: pause after this epoch (from 1), though the schedule is made for all of them.

    Returns:
        The history and the best epoch's trained weights.

    Raises:
        TrainingError: the loss is not finite; names epoch and step.
    """
    suffix, optimizer = task.suffix, task.suffix.optimizer
    optimizer.build(suffix.trainable_variables)
    if keras.backend.backend() == "tensorflow" and not task.devices.names:
        from tlpipe.training.any_batch import trace_once

        trace_once(suffix)
    progress = checkpoint.restore(file, suffix, optimizer)
    if progress.epoch:
        say(f"  resuming after epoch {progress.epoch}")
    weights = _weights(task) if settings.balance else None
    last = min(settings.epochs, until or settings.epochs)
    while progress.epoch < last and not _exhausted(progress, settings.patience):
        started = time.perf_counter()
        epoch, read = progress.epoch, task.source.meter.read
        loss, rate, waited = _run_epoch(task, epoch, seed, weights, settings, advance)
        row = {
            "step": task.name,
            "epoch": epoch + 1,
            "loss": loss,
            **_validate(task),
            "learning_rate": rate,
        }
        score = _monitored(row, settings.monitor)
        progress.epoch += 1
        if score > progress.best_score:
            progress.best_score, progress.best_epoch = score, progress.epoch
            progress.best = checkpoint.arrays(task.weights)
        progress.history.append(row)
        progress.batch_size = settings.batch_size
        checkpoint.save(file, progress, suffix, optimizer)
        seconds = time.perf_counter() - started
        say(
            f"  {task.name} {epoch + 1}/{settings.epochs}: loss {loss:.4f}, "
            f"val loss {row['val_loss']:.4f}, {shown(task.target, row)} "
            f"({seconds:.1f} s, {_pace(waited / seconds, task.source.meter.read - read)})"
        )
    if progress.epoch < settings.epochs and _exhausted(progress, settings.patience):
        best = f"validation {settings.monitor}"
        say(f"  stopped early: no better {best} for {settings.patience} epochs")
    checkpoint.assign(task.weights, progress.best)
    return progress


def _pace(waiting: float, read: int) -> str:
    """What made the epoch fast or slow."""
    return f"{waiting:.0%} waiting" if read else "cached"


def _monitored(row: dict, monitor: str) -> float:
    """The validation score that picks the best epoch; larger is better."""
    if monitor == "loss":
        return -row["val_loss"]
    score = row[f"val_{monitor}"]
    if score is None:
        raise TrainingError(
            f"The validation {monitor} is undefined.",
            cause="validation holds pictures of one class only",
            todo="use --set head.monitor=loss --set unfreeze.monitor=loss",
        )
    # Every other score that can be watched is better when it is larger.
    return -score if monitor == "mae" else score


def shown(target: Target, row: dict) -> str:
    """The validation score of an epoch that people look at."""
    name = target.watched[-1]
    value = row[f"val_{name}"]
    title = {"auc": "AUC", "mae": "absolute error"}.get(name, name)
    return f"{title} undefined" if value is None else f"{title} {value:.3f}"


def _exhausted(progress: checkpoint.Progress, patience: int) -> bool:
    return progress.epoch - progress.best_epoch >= patience


def _run_epoch(task, epoch, seed, weights, settings, advance) -> tuple[float, float, float]:
    """Mean loss, the learning rate in the middle, and seconds spent waiting for pictures."""
    order = epoch_order(task.train, seed=seed, epoch=epoch)
    steps = steps_per_epoch(len(order), settings.batch_size)
    aims = task.target.aims(task.truth)
    total, rate, waited = 0.0, 0.0, task.source.meter.waited
    for step, (values, rows) in enumerate(task.source.stream(order, task.view(epoch))):
        loss = task.devices.train(
            task.suffix, values, aims[rows], None if weights is None else weights[rows]
        )
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} at step {step + 1} of epoch {epoch + 1} ('{task.name}').",
                cause="the learning rate is too high for this data, or half precision overflowed",
                todo=f"lower it, for example --set {task.name}.learning_rate="
                f"{settings.learning_rate / 10:g}, or use --precision float32",
            )
        total += loss * len(rows)
        if step == steps // 2:
            rate = float(keras.ops.convert_to_numpy(task.suffix.optimizer.learning_rate))
        advance(epoch * steps + step + 1, settings.epochs * steps, f"loss {loss:.3f}")
    return total / len(order), rate, task.source.meter.waited - waited


def _validate(task: Task) -> dict[str, float | None]:
    logits = predict_logits(task.suffix, task.source, task.val, task.devices)
    return task.target.watch(task.truth[task.val], logits)


def _weights(task: Task) -> np.ndarray:
    """What each row of the manifest weighs, float32 (n,); only training rows are asked for."""
    found = np.ones(len(task.truth), "float32")
    found[task.train] = task.target.weights(task.truth[task.train])
    return found
