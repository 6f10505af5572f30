"""The run folder's plots: each the text of an SVG file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from tlpipe.audit.svg import MODEL, OTHER, QUIET, Names, svg
from tlpipe.metrics import scores
from tlpipe.pipeline.atomic import writing

_STEP_TITLES = {"head": "head only", "unfreeze": "unfrozen"}


def learning_curves(history: Sequence[dict], *, kept: tuple[str, int] | None = None) -> str:
    """Loss, accuracy and learning rate over both steps, as SVG.

    Args:
        history: a row an epoch in the order trained; keys ``step``, ``epoch``, ``loss``,
            ``val_loss`` and, when there, ``accuracy``, ``val_accuracy``, ``learning_rate``. A value
            that is missing or None leaves a gap.
        kept: ``step`` and ``epoch`` of the row whose weights were kept; marked by a line.
    """
    panels = [("loss", "loss", "val_loss")]
    if any(_given(row, key) for row in history for key in ("accuracy", "val_accuracy")):
        panels.append(("accuracy", "accuracy", "val_accuracy"))
    if any(_given(row, "val_mae") for row in history):
        panels.append(("mean absolute error", "mae", "val_mae"))
    if (_column(history, "learning_rate") > 0).any():
        panels.append(("learning rate", "learning_rate", None))
    x = np.arange(1, len(history) + 1)
    starts = [i for i, row in enumerate(history) if i == 0 or row["step"] != history[i - 1]["step"]]

    def draw(figure: Figure) -> None:
        axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
        for ax, (title, train, val) in zip(axes, panels, strict=True):
            ax.plot(x, _column(history, train), ".-", color=MODEL, label="training")
            if val:
                ax.plot(x, _column(history, val), ".-", color=OTHER, label="validation")
            for start in starts[1:]:
                ax.axvline(start + 0.5, color=QUIET, linestyle="--", linewidth=1)
            for i, row in enumerate(history):
                if kept is not None and (row["step"], row["epoch"]) == tuple(kept):
                    ax.axvline(i + 1, color="black", linewidth=1, alpha=0.6, label="kept epoch")
            ax.set_ylabel(title)
        if panels[-1][1] == "learning_rate":
            axes[-1].set_yscale("log")
        for start in starts:
            step = str(history[start]["step"])
            axes[0].annotate(
                _STEP_TITLES.get(step, step),
                (start + 0.6, 1.01),
                xycoords=("data", "axes fraction"),
                color=QUIET,
            )
        axes[0].legend(frameon=False)
        axes[-1].set_xlim(0.5, max(len(history), 1) + 0.5)
        axes[-1].set_xlabel("epoch, both steps counted on")
        axes[-1].xaxis.get_major_locator().set_params(integer=True)

    return svg(draw, (7, 1 + 2.2 * len(panels)))


def confusion_matrix(confusion: Sequence[Sequence[int]], class_names: Sequence[str]) -> str:
    """Counts, coloured by each one's share of its row (the true class), as SVG.

    Cells without pictures stay empty. Names of any script are shown, long ones cut.

    Args:
        confusion: int (k, k), rows = true class.
        class_names: k names.
    """
    counts = np.asarray(confusion)
    k = len(class_names)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = Names(class_names)
    cell, size = (0.9, 10) if k <= 6 else (0.6, 8) if k <= 15 else (0.34, 5.5)

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for row, column in zip(*np.nonzero(counts), strict=True):
            ax.text(
                column,
                row,
                f"{counts[row, column]}\n{share[row, column]:.0%}",
                ha="center",
                va="center",
                fontsize=size,
                color="white" if share[row, column] > 0.5 else "black",
            )
        ax.set_xticks(range(k), names.drawn, rotation=0 if k <= 3 else 90, fontsize=max(size, 7))
        ax.set_yticks(range(k), names.drawn, fontsize=max(size, 7))
        ax.set_xticks(np.arange(k - 1) + 0.5, minor=True)
        ax.set_yticks(np.arange(k - 1) + 0.5, minor=True)
        ax.grid(which="minor", color="#e5e5e5", linewidth=0.5)
        ax.tick_params(which="both", length=0)
        ax.set_xlabel("predicted")
        ax.set_ylabel("true")

    margin = 1.2 + 0.09 * max(map(len, names.drawn))
    return svg(draw, (max(4, k * cell + margin),) * 2, names.restore)


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> str:
    """How often the model is right against how sure it was, in 15 bins of equal mass, as SVG.

    Args:
        labels: int (n,).
        probabilities: float (n, k).
    """
    confidence, accuracy = scores.calibration(labels, probabilities)
    error = scores.ece(labels, probabilities)
    least = 1 / np.shape(probabilities)[1]

    def draw(figure: Figure) -> None:
        ax, below = figure.subplots(2, sharex=True, height_ratios=[3, 1])
        ax.plot([least, 1], [least, 1], "--", color=QUIET, label="perfectly calibrated")
        ax.vlines(confidence, confidence, accuracy, color=OTHER, linewidth=1)
        ax.plot(confidence, accuracy, "o-", color=MODEL, label="model")
        ax.set_ylim(-0.02, 1.02)
        ax.set_ylabel("share that is right")
        ax.set_title(f"expected calibration error {error:.3f}", fontsize=10, loc="left")
        ax.legend(frameon=False)
        below.hist(np.max(probabilities, axis=1), bins=30, range=(least, 1), color=MODEL)
        below.set_ylabel("pictures")
        below.set_xlabel("confidence in the predicted class")

    return svg(draw, (5, 6))


def contact_sheet(images: np.ndarray, path: str | Path, columns: int = 8) -> Path:
    """Pictures side by side as one PNG, in reading order, 2 pixels apart on white.

    Args:
        images: uint8 (n, h, w, 3), n > 0.
        path: the .png to write.
        columns: pictures in a row.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or not len(images):
        raise ValueError(f"not uint8 (n, h, w, 3) with n > 0: {images.dtype} {images.shape}")
    n, h, w, _ = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    sheet = np.full((rows * (h + 2) - 2, columns * (w + 2) - 2, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (h + 2), i % columns * (w + 2)
        sheet[top : top + h, left : left + w] = image
    with writing(Path(path)) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
    return Path(path)


def _given(row: dict, key: str) -> bool:
    return row.get(key) not in (None, "")


def _column(history: Sequence[dict], key: str) -> np.ndarray:
    return np.array([float(row[key]) if _given(row, key) else np.nan for row in history])
