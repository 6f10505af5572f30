"""The search's plots: each the text of an SVG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tlpipe.audit.svg import MODEL, OTHER, QUIET, svg
from tlpipe.config.search import Knob
from tlpipe.search.importance import Importance, position
from tlpipe.search.record import Trial, short
from tlpipe.search.values import as_yaml

_COLOURS = colormaps["viridis"]


def progress(trials: Sequence[Trial], objective: str, maximize: bool) -> str:
    """Score of every trial against the minutes spent until it ended, and the best so far."""
    ended = [trial for trial in trials if trial.status != "running"]
    minutes = np.cumsum([trial.seconds for trial in ended]) / 60
    best = np.maximum if maximize else np.minimum

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        for status, colour, mark in (("completed", MODEL, "o"), ("stopped", QUIET, "x")):
            chosen = [i for i, trial in enumerate(ended) if trial.status == status]
            if chosen:
                y = [ended[i].score for i in chosen]
                ax.scatter(minutes[chosen], y, c=colour, marker=mark, s=24, label=status, zorder=3)
        done = [i for i, trial in enumerate(ended) if trial.status == "completed"]
        if done:
            line = best.accumulate([ended[i].score for i in done])
            ax.step(minutes[done], line, where="post", color=OTHER, label="best so far")
        ax.set_xlabel("minutes of all trials together")
        ax.set_ylabel(f"validation {objective}")
        ax.legend(frameon=False)

    return svg(draw, (7, 3.2))


def cost(trials: Sequence[Trial], objective: str) -> str:
    """Score of every trial against what it cost."""
    done = [trial for trial in trials if trial.status == "completed" and trial.seconds]

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        ax.scatter([t.seconds for t in done], [t.score for t in done], c=MODEL, s=24)
        for trial in done:
            ax.annotate(
                str(trial.number),
                (trial.seconds, trial.score),
                xytext=(4, 3),
                textcoords="offset points",
                color=QUIET,
                fontsize=8,
            )
        ax.set_xlabel("seconds of the trial")
        ax.set_ylabel(f"validation {objective}")

    return svg(draw, (7, 3.2))


def coordinates(
    trials: Sequence[Trial],
    space: Mapping[str, tuple[Knob, ...]],
    objective: str,
    maximize: bool,
) -> str:
    """Parallel coordinates: a line a trial through its values, coloured by its score."""
    done = sorted(
        (trial for trial in trials if trial.status == "completed"),
        key=lambda t: t.score if maximize else -t.score,
    )
    scores = [trial.score for trial in done]
    keys = list(space)
    norm = Normalize(min(scores), max(scores) or 1)

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        colours = _COLOURS if maximize else _COLOURS.reversed()
        for trial in done:
            # A little apart, or equal choices would hide one another.
            shift = ((trial.number * 0.618) % 1 - 0.5) * 0.03
            y = [position(trial, key, space[key]) + shift for key in keys]
            ax.plot(y, range(len(keys)), color=colours(norm(trial.score)), alpha=0.8, linewidth=1.3)
        for row, key in enumerate(keys):
            ax.axhline(row, color=QUIET, linewidth=0.6, zorder=0)
            for place, text in _ticks(space[key]):
                align = "left" if place == 0 else "right" if place == 1 else "center"
                ax.annotate(text, (place, row - 0.12), ha=align, va="bottom", fontsize=8)
        ax.set_yticks(range(len(keys)), [short(key) for key in keys])
        ax.set_xticks([])
        ax.set_xlim(-0.25 if _conditional(space) else -0.04, 1.04)
        ax.set_ylim(len(keys) - 0.6, -0.6)
        for spine in ax.spines.values():
            spine.set_visible(False)
        figure.colorbar(ScalarMappable(norm, colours), ax=ax, label=f"validation {objective}")

    return svg(draw, (8, 0.9 + 0.5 * len(keys)))


def _conditional(space: Mapping[str, tuple[Knob, ...]]) -> bool:
    return any(knob.when for knobs in space.values() for knob in knobs)


def _ticks(knobs: tuple[Knob, ...]) -> list[tuple[float, str]]:
    knob = knobs[0]
    if knob.choice is None:
        return [(0.0, f"{knob.low:g}"), (1.0, f"{knob.high:g}")]
    last = max(len(knob.choice) - 1, 1)
    return [(i / last, as_yaml(value)[:24]) for i, value in enumerate(knob.choice)]


def shares(found: Importance) -> str:
    """Importance of each setting as bars."""

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        keys = list(found.shares)
        ax.barh([short(key) for key in keys], [found.shares[key] for key in keys], color=MODEL)
        ax.invert_yaxis()
        ax.set_xlabel("share of what the settings explain")

    return svg(draw, (7, 0.8 + 0.3 * len(found.shares)))
