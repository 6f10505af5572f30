"""The sections in the order of the report."""

from __future__ import annotations

from collections.abc import Callable

from tlpipe.audit.finding import Section
from tlpipe.audit.sections import (
    belief,
    confidence,
    data,
    fitting,
    looks,
    performance,
    provenance,
    robustness,
    shortcuts,
)

# What a section is told beside the subject: another's result, when that one was examined before.
AFTER = {"data": "shortcuts"}
SECTIONS: dict[str, Callable[..., Section]] = {
    "performance": performance.examine,
    "confidence": confidence.examine,
    "looks": looks.examine,
    "belief": belief.examine,
    "shortcuts": shortcuts.examine,
    "data": data.examine,
    "robustness": robustness.examine,
    "fit": fitting.examine,
    "provenance": provenance.examine,
}
