"""Over- or underfit: a gap counts where it is no chance."""

from types import SimpleNamespace

import numpy as np
import pytest

from tlpipe.audit.sections.fitting import examine
from tlpipe.config.audit import Audit

SETTINGS = {
    "prepare": {"augment": "light"},
    "head": {
        "dropout": 0.2,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "patience": 5,
        "balance": False,
    },
    "unfreeze": {"blocks": 3},
}


def subject(train, val):
    """``train`` and ``val``: how many pictures are right, and how many there are."""
    counts = {"train": train, "val": val}

    def probabilities(part):
        right = np.arange(counts[part][1]) < counts[part][0]
        return np.stack([np.where(right, 0.9, 0.1), np.where(right, 0.1, 0.9)], axis=1)

    history = [
        {"step": "head", "epoch": 1, "loss": 0.5, "val_loss": 0.6, "val_accuracy": 0.8},
        {"step": "head", "epoch": 2, "loss": 0.4, "val_loss": 0.5, "val_accuracy": 0.8},
    ]
    return SimpleNamespace(
        settings=Audit(),
        about={"settings": SETTINGS, "history": history, "kept": ("head", 2)},
        labels=lambda part: np.zeros(counts[part][1], int),
        probabilities=probabilities,
    )


@pytest.mark.parametrize(
    ("train", "val", "level"),
    [
        ((93, 100), (18, 20), "green"),
        ((93, 100), (8, 10), "info"),
        ((950, 1000), (250, 300), "amber"),
        ((1000, 1000), (18, 30), "red"),
    ],
)
def test_a_gap_of_few_pictures_may_be_chance(train, val, level):
    section = examine(subject(train, val))
    assert section.findings[0].level == level
    assert section.facts["by_chance"] == (level in ("green", "info"))


def test_who_learned_too_little_is_told_flags_that_there_are():
    (finding,) = examine(subject((50, 100), (25, 50))).findings
    assert finding.name == "fit.low"
    assert "--head-epochs" in finding.todo
