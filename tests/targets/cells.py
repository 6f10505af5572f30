"""The solar cells with what else is known of them: defects, kind, and how bright they are."""

import csv
from importlib.util import find_spec
from pathlib import Path

import cv2

HERE = Path(find_spec("elpv_dataset").origin).parent / "data"


def known() -> list[tuple[Path, float, str]]:
    """Each picture, its defect probability (0, 1/3, 2/3 or 1), and ``mono`` or ``poly``."""
    lines = (HERE / "labels.csv").read_text(encoding="utf-8").split("\n")
    rows = [line.split() for line in lines if line]
    return [(HERE / path, float(probability), kind) for path, probability, kind in rows]


def write_table(target: Path, every: int) -> Path:
    """A CSV of one cell in so many: its mean gray level, and its labels, perhaps none."""
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "brightness", "tags"])
        for path, probability, kind in known()[::every]:
            tags = ["defective"] * (probability > 0.5) + ["mono"] * (kind == "mono")
            gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).mean()
            writer.writerow([path, f"{gray:.2f}", "|".join(tags)])
    return target
