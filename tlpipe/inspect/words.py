"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from tlpipe.inspect.examine import Examination, Row


def shape(sizes: Sequence[int | None]) -> str:
    """``14x14x512``; a question mark where a size is not fixed."""
    return "x".join("?" if n is None else str(n) for n in sizes)


def short(count: float) -> str:
    """``15.4 G``: three digits with a decimal prefix; counts below a thousand as they are."""
    if count < 1000:
        return f"{count:g}"
    scaled, prefix = next((count / 10**e, p) for e, p in _PREFIXES if count >= 10**e)
    digits = 0 if scaled >= 100 else 1 if scaled >= 10 else 2
    return f"{scaled:.{digits}f} {prefix}"


_PREFIXES = ((12, "T"), (9, "G"), (6, "M"), (3, "k"))


def megabytes(count: int) -> str:
    """Megabytes of a million bytes, one decimal below a hundred."""
    size = count / 1e6
    return f"{size:.0f}" if size >= 100 else f"{size:.1f}"


def field(row: Row) -> str:
    """What a position sees, in pixels; a star where some path sees everything."""
    if row.unknown_from:
        return "?"
    if row.field is None:
        return "whole"
    return _pair(row.field) + ("*" if row.whole else "")


def jump(row: Row) -> str:
    """Pixels from one position to the next."""
    return _pair(row.jump)


def centre(row: Row) -> str:
    """Where the field of the first position has its middle."""
    return _pair(row.centre)


def trains(row: Row) -> str:
    """``yes``, ``no`` or, without parameters, nothing."""
    if not row.parameters:
        return ""
    return "yes" if row.trainable else "no"


def _pair(values: tuple[float, float] | None) -> str:
    if values is None:
        return ""
    first, second = (f"{value:g}" for value in values)
    return first if first == second else f"{first}x{second}"


def sentences(found: Examination) -> list[str]:
    """The totals in words: parameters, work, memory, what does not fit."""
    totals, memory = found.totals, found.memory
    side = shape(found.input_shape)
    return [
        f"{totals['parameters']:,} parameters ({memory.weights / 1e6:,.1f} MB), "
        f"{totals['trainable']:,} of them train",
        f"{short(totals['multiply_adds'])} multiply-adds a picture of {side}",
        f"{totals['activations']:,} activations a picture, "
        f"{totals['activation_bytes'] / 1e6:,.1f} MB; "
        f"training keeps {totals['kept_bytes'] / 1e6:,.1f} MB of what is made",
    ]


def fits(found: Examination, available: int) -> list[str]:
    """The largest batches for so many bytes, in words."""
    memory, room = found.memory, f"{available / 1e9:,.3g} GB"
    answers = (
        ("training", memory.largest_training_batch(available), memory.training),
        ("prediction", memory.largest_prediction_batch(available), memory.prediction),
    )
    lines = [
        f"{what}: a batch of up to {batch:,} fits {room} (about {need(batch) / 1e9:,.2f} GB)"
        if batch
        else f"{what}: not even one picture fits {room} (about {need(1) / 1e9:,.2f} GB)"
        for what, batch, need in answers
    ]
    return [*lines, "what the framework takes for itself, about half a GB, comes on top"]


LEGEND = (
    "field: pixels across that a position can see, padding included; a star: some path, such as "
    "squeeze-excitation, sees the whole picture, and the figure leaves it out",
    "step: pixels from one position to the next; centre: where the first position's field has "
    "its middle (pixel 0 lies at 0)",
    "activations are float32: 4 bytes each; kept: what training must keep of them for the way back",
)
