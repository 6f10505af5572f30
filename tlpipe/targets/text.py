"""Labels as text, and what they mean for each kind of target."""

from __future__ import annotations

import math
from collections.abc import Hashable

BETWEEN = "|"


def names_in(label: str) -> list[str]:
    """The labels in one text, such as ``defective|monocrystalline``; none in an empty one."""
    return [name for name in (part.strip() for part in label.split(BETWEEN)) if name]


def number_in(label: str) -> float:
    """The number in a text; NaN for what is none, or not finite."""
    try:
        value = float(label)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def meaning(label: str, target: str) -> Hashable:
    """What is equal for labels that mean the same: ``0.50`` and ``0.5``, ``a|b`` and ``b|a``."""
    if target == "labels":
        return frozenset(names_in(label))
    value = number_in(label) if target == "number" else math.nan
    return label if math.isnan(value) else value
