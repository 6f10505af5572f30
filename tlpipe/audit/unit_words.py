"""A unit's panel in words."""

from __future__ import annotations

from typing import Any

from tlpipe.explain.methods import METHODS


def sentences(facts: dict[str, Any]) -> list[str]:
    """What the panel shows, from the facts in its JSON."""
    n, shown = facts["pictures"], len(facts["top"])
    if facts["field"] is None:
        sees = "the whole picture"
    else:
        sees = "{:g} × {:g} px around its hottest place".format(*facts["field"])
        if min(facts["field"]) >= 2 * facts["size"]:
            sees = f"the whole picture (its field is {facts['field'][0]:g} px)"
        elif facts["sees_all"]:
            sees += ", and everything through global pooling"
    lines = [
        f"First: what the unit sees, {sees}, in the {shown} of {n} pictures that excite it most, "
        "copies left out, with its activation.",
    ]
    for place, view in zip(("Second", "Third"), facts["views"], strict=False):
        method = METHODS[view["method"]]
        line = f"{place}: {method.title} ({method.paper}) of that activation."
        lines.append(f"{line} {view['note']}".rstrip())
    lines[-1] += " Gray is no influence; each has a scale of its own."
    if facts["maximised"]:
        lines.append(
            "Far right: a picture made to excite it everywhere, by activation maximisation "
            "(Erhan et al. 2009) from noise."
        )
    else:
        lines.append(f"Activation maximisation is left out: {facts['maximised_note']}.")
    if facts["top"][0]["activation"] <= 0:
        lines.append("No picture excites it: it is 0 or less everywhere.")
    return lines
