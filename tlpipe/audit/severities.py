"""Small multiples: what each alteration does, mild to strong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from tlpipe.audit.svg import MODEL, OTHER, QUIET, svg

_ACROSS = 3


def severities(measured: Mapping[str, Sequence[Mapping]], accuracy: float) -> str:
    """Accuracy and share of changed answers against severity, a panel an alteration, as SVG.

    Args:
        measured: by alteration a row a severity, with ``severity``, ``accuracy`` and ``flips``.
        accuracy: on the unaltered pictures.
    """
    down = -(-len(measured) // _ACROSS)

    def draw(figure: Figure) -> None:
        axes = figure.subplots(down, _ACROSS, sharex=True, sharey=True, squeeze=False).ravel()
        for ax, (name, rows) in zip(axes, measured.items(), strict=False):
            x = [row["severity"] for row in rows]
            ax.axhline(accuracy, color=QUIET, linestyle="--", linewidth=1)
            ax.plot(x, [r["accuracy"] for r in rows], "o-", color=MODEL, ms=3, label="accuracy")
            ax.plot(x, [r["flips"] for r in rows], "s-", color=OTHER, ms=3, label="flips")
            ax.set_title(name, fontsize=10, loc="left")
            ax.set(xticks=x, ylim=(-0.03, 1.03))
        for ax in axes[len(measured) :]:
            ax.set_visible(False)
        axes[0].legend(frameon=False, fontsize=8, loc="center left")
        figure.supxlabel("severity", fontsize=10)

    return svg(draw, (7.5, 0.6 + 1.7 * down))
