"""Real pictures for every test: solar cells from the wheel that the demo uses."""

import os
import shutil
from pathlib import Path

import pytest

# Before any test imports TensorFlow, which reads once what tlpipe asks of it.
import tlpipe  # noqa: F401

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:
    # There is a worker for every core: threads beside them would only wait for one another.
    for threads in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(threads, "1")


def pytest_collection_modifyitems(items):
    """Files with slow tests first: one that starts last leaves the other workers idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """No test reads or fills the activation cache of the person who runs it."""
    os.environ["TLPIPE_CACHE"] = str(tmp_path_factory.mktemp("activations"))


@pytest.fixture(scope="session")
def solar_cells(tmp_path_factory) -> Path:
    """The whole demo data set as a folder; treat it as read-only."""
    from tlpipe.demo import lay_out

    folder = tmp_path_factory.mktemp("demo") / "photos"
    lay_out("solar-cells", folder)
    return folder


def few(source: Path, target: Path, per_class: int) -> Path:
    """Copies the first ``per_class`` pictures of each class."""
    for label in sorted(p for p in source.iterdir() if p.is_dir()):
        (target / label.name).mkdir(parents=True)
        for picture in sorted(label.iterdir())[:per_class]:
            shutil.copy(picture, target / label.name)
    return target


@pytest.fixture(scope="session")
def small(solar_cells, tmp_path_factory) -> Path:
    """40 real pictures a class; treat it as read-only."""
    return few(solar_cells, tmp_path_factory.mktemp("small") / "cells", 40)


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory) -> str:
    """A backbone of a user's own that costs next to nothing: see ``tests/tiny.py``."""
    from tests.tiny import tiny

    path = tmp_path_factory.mktemp("backbone") / "tiny.keras"
    tiny().save(path)
    return str(path)


@pytest.fixture(scope="session")
def tfds_cells(tmp_path_factory) -> Path:
    """20 real pictures a class as a data set of TFDS, made by the demo's builder; read-only."""
    from tlpipe.demo.solar_cells import CLASSES, cells
    from tlpipe.demo.solar_cells_tfds import prepare

    some = [cell for name in CLASSES for cell in [c for c in cells() if c.label == name][:20]]
    folder = tmp_path_factory.mktemp("tfds")
    prepare(some, folder)
    return folder
