"""What the checks found, for a screen of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from tlpipe.export.check import Measured


def table(found: Sequence[Measured], model: Measured) -> Table:
    """A row an export, and the model itself above them."""
    shown = Table("format", title=f"on {model.pictures} pictures", title_justify="left")
    for name in ("difference", "same", model.measure, "MB", "ms"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_row("the model", "", "", f"{model.score:.3f}", *_cost(model))
    for each in found:
        change = each.score - each.score_of_model
        shown.add_row(
            each.format,
            f"{each.difference:.1e}",
            "" if each.agreement is None else f"{each.agreement:.1%}",
            f"{each.score:.3f} ({change:+.3f})",
            *_cost(each),
        )
    return shown


def _cost(each: Measured) -> tuple[str, str]:
    return f"{each.bytes / 1e6:.1f}", f"{each.milliseconds:.1f}"
