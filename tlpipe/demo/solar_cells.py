"""The solar cells of the wheel ``elpv-dataset``: which pictures there are, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tlpipe.errors import DataError

CLASSES = ("functional", "defective")
LICENCE = (
    "The pictures are licensed CC BY-NC-SA 4.0 (no commercial use); "
    "LICENSE.txt beside them names their authors."
)
# What was done to them must be said: it is part of the licence.
LICENCE_TEXT = """\
ELPV: 2,624 electroluminescence pictures of solar cells, {sorted}:
defective (defect probability above 0.5) and functional.

Licence: Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International (CC BY-NC-SA 4.0)
https://creativecommons.org/licenses/by-nc-sa/4.0/
Source: https://github.com/zae-bayern/elpv-dataset (PyPI: elpv-dataset)

Please cite:

Buerhop-Lutz, C.; Deitsch, S.; Maier, A.; Gallwitz, F.; Berger, S.; Doll, B.; Hauch, J.;
Camus, C.; Brabec, C. J.: A Benchmark for Visual Identification of Defective Solar Cells in
Electroluminescence Imagery. European PV Solar Energy Conference and Exhibition (EU PVSEC), 2018.
DOI 10.4229/35thEUPVSEC20182018-5CV.3.15

Deitsch, S.; Christlein, V.; Berger, S.; Buerhop-Lutz, C.; Maier, A.; Gallwitz, F.; Riess, C.:
Automatic classification of defective photovoltaic module cells in electroluminescence images.
Solar Energy 185, 455-468, 2019. DOI 10.1016/j.solener.2019.02.067

Deitsch, S.; Buerhop-Lutz, C.; Sovetkin, E.; Steland, A.; Maier, A.; Gallwitz, F.; Riess, C.:
Segmentation of photovoltaic module cells in uncalibrated electroluminescence images.
Machine Vision and Applications 32(4), 2021. DOI 10.1007/s00138-021-01191-9
"""


@dataclass(frozen=True)
class Cell:
    """One picture.

    Attributes:
        file: where it lies in the wheel.
        probability: that the cell is defective, as experts judged: 0, 1/3, 2/3 or 1.
        kind: ``mono`` or ``poly``.
    """

    file: Path
    probability: float
    kind: str

    @property
    def label(self) -> str:
        """Its class."""
        return CLASSES[self.probability > 0.5]

    @property
    def tags(self) -> str:
        """All that is true of it, joined by ``|``: defective, monocrystalline."""
        found = {"defective": self.probability > 0.5, "monocrystalline": self.kind == "mono"}
        return "|".join(name for name, is_true in found.items() if is_true)


def cells() -> list[Cell]:
    """All cells, in the order of the wheel.

    Raises:
        DataError: the wheel is not installed.
    """
    # find_spec rather than an import: the package's own code is of no use here.
    spec = find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise DataError(
            "The pictures of the demo 'solar-cells' are not installed.",
            cause="they are an extra, because their licence forbids commercial use",
            todo="pip install 'tlpipe[demo]'",
        )
    data = Path(spec.origin).parent / "data"
    found = []
    for line in (data / "labels.csv").read_text(encoding="utf-8").splitlines():
        path, probability, kind = line.split()
        found.append(Cell(data / path, float(probability), kind))
    return found
