"""Where the time of a training step goes, and the one flag that would help."""

from __future__ import annotations

from dataclasses import dataclass

from tlpipe.config.settings import Prepare


@dataclass
class Meter:
    """Counts while a step reads its pictures.

    Attributes:
        waited: seconds the step stood still for want of pictures.
        read: pictures it was given, from files or decoded before.
        frozen: seconds the frozen part computed.
    """

    waited: float = 0.0
    read: int = 0
    frozen: float = 0.0


def verdict(
    meter: Meter, seconds: float, prepare: Prepare, blocks: int | str | None, views: int
) -> str:
    """One line: the shares of the time, and what would save most of it.

    Args:
        meter: of the step.
        seconds: the whole step took.
        prepare: how pictures are read.
        blocks: what step three unfreezes; None in step two.
        views: how many of a picture the step saw.
    """
    waited, frozen = meter.waited / seconds, meter.frozen / seconds
    shares = (
        f"time: {waited:.0%} waiting for pictures, {frozen:.0%} frozen part, "
        f"{max(0.0, 1 - waited - frozen):.0%} trained part"
    )
    advice = _advice(waited, frozen, prepare, blocks, views)
    return f"{shares}; {advice} would help most" if advice else shares


def _advice(
    waited: float, frozen: float, prepare: Prepare, blocks: int | str | None, views: int
) -> str:
    if max(waited, frozen) >= 0.3 and prepare.cache == "off" and blocks != "all":
        return "--cache auto"
    if waited >= 0.3:
        if blocks == "all" and prepare.pictures == "off":
            return "--set prepare.pictures=auto"
        return "--augment light" if prepare.augment in ("medium", "strong") else ""
    if frozen >= 0.3:
        flag = "--cache 2" if prepare.views is None else "--set prepare.views=2"
        return "" if views <= 2 else f"{flag} (fewer views of a picture)"
    if isinstance(blocks, int) and blocks > 1:
        return f"--unfreeze {blocks - 1}"
    return ""
