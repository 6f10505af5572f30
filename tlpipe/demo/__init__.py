"""Real data to try tlpipe on, laid out from an installed wheel: no network at run time."""

from tlpipe.demo.layout import FORMS, lay_out, names

__all__ = ["FORMS", "lay_out", "names"]
