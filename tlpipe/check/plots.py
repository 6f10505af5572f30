"""The check's plots: each the text of an SVG file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from tlpipe.audit.svg import MODEL, OTHER, QUIET, Names, svg

# More classes than this can't be told apart.
_MOST = 20


def histogram(values: np.ndarray, marked: np.ndarray) -> str:
    """How many pictures have a number, as SVG; those of ``marked`` (bool (n,)) in another colour.

    Args:
        values: float (n,).
        marked: bool (n,).
    """
    bins = np.histogram_bin_edges(values, bins=min(40, max(5, round(len(values) ** 0.5))))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.hist(values[~marked], bins=bins, color=MODEL, label="pictures")
        if marked.any():
            axes.hist(values[marked], bins=bins, color=OTHER, label="outliers")
        axes.axvline(float(np.median(values)), color=QUIET, linestyle="--", label="median")
        axes.set(xlabel="number", ylabel="pictures")
        axes.legend(frameon=False, fontsize=8)

    return svg(draw, (7, 3))


def by_class(values: np.ndarray, labels: Sequence[str], names: Sequence[str], title: str) -> str:
    """A property's spread in each class, a box each, as SVG; the first twenty classes.

    Args:
        values: float (n,).
        labels: n classes.
        names: of the classes, in order.
        title: of the property.
    """
    names = [name for name in names if name in set(labels)][:_MOST]
    of = [
        np.array([v for v, label in zip(values, labels, strict=True) if label == n]) for n in names
    ]
    shown = Names(names)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.boxplot(
            of,
            orientation="horizontal",
            widths=0.6,
            patch_artist=True,
            boxprops={"facecolor": MODEL, "alpha": 0.5},
            medianprops={"color": OTHER, "linewidth": 2},
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": QUIET},
        )
        axes.set_yticks(range(1, len(names) + 1), shown.drawn)
        axes.invert_yaxis()
        axes.set_xlabel(title)

    return svg(draw, (7, 1 + 0.45 * len(names)), shown.restore)


def scatter(x: np.ndarray, y: np.ndarray, title: str) -> str:
    """Every picture by a property and its number, float (n,) each, as SVG; 2,000 at most."""
    step = max(1, len(x) // 2000)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.scatter(x[::step], y[::step], s=8, c=MODEL, alpha=0.5, linewidths=0)
        axes.set(xlabel=title, ylabel="number")

    return svg(draw, (7, 3.2))
