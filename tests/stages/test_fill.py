"""The caches filled beforehand, in shares: training then finds everything in them."""

import shutil

import numpy as np
import pytest
from rich.console import Console

from tests.conftest import few
from tlpipe import api
from tlpipe.config.load import FINETUNE
from tlpipe.data.prepared import Prepared
from tlpipe.errors import ConfigError
from tlpipe.pipeline.runner import execute
from tlpipe.pipeline.shard import Shard
from tlpipe.stages import fill as filling
from tlpipe.stages.fill import fill
from tlpipe.stages.registry import make_stages
from tlpipe.training.checkpoint import load_weights

QUICK = (
    "backbone.name=lenet5",
    "backbone.weights=none",
    "backbone.resolution=32",
    "unfreeze.blocks=1",
    "head.epochs=2",
    "head.batch_size=8",
    "unfreeze.epochs=1",
    "unfreeze.batch_size=8",
    "prepare.views=2",
    "evaluate.resamples=100",
)


@pytest.fixture(scope="module")
def cells(small, tmp_path_factory):
    return few(small, tmp_path_factory.mktemp("few") / "cells", 14)


@pytest.fixture
def begin(cells, tmp_path, monkeypatch):
    """A run of its own; every cache is empty."""
    monkeypatch.setenv("TLPIPE_CACHE", str(tmp_path / "cache"))

    def begin(name="run", *settings):
        assignments = [f"scan.data={cells}", *QUICK, *settings]
        quiet = Console(quiet=True)
        return api.open_run(FINETUNE, assignments=assignments, out=tmp_path / name, console=quiet)

    return begin


def counts(filled):
    return [(one.what, one.made, one.there) for one in filled]


def test_shares_fill_what_training_reads_and_are_not_made_twice(begin, monkeypatch):
    first = counts(fill(begin(), Shard(1, 2)))
    with monkeypatch.context() as patched:
        patched.setattr(filling, "execute", lambda *_: pytest.fail("the first finished them"))
        second = counts(fill(begin(), Shard(2, 2)))
    # 28 pictures: 20 to train on, in two views, and 4 for validation.
    assert first == second == [("activations", 22, 0)]
    assert counts(fill(begin(), Shard(2, 2))) == [("activations", 0, 22)]
    assert counts(fill(begin(), Shard(1, 1))) == [("activations", 0, 44)]


def test_training_reads_what_was_filled_as_if_it_had_filled_it_itself(begin, tmp_path):
    for number in (2, 1):
        fill(begin(), Shard(number, 2))
    filled, lazily = begin(), begin("lazy")
    stored = {}
    for run in (filled, lazily):
        execute(run, make_stages(run.pipeline)[:5])
        stored[run] = {str(p): p.read_bytes() for p in tmp_path.glob("cache/*/*.bin")}
        shutil.rmtree(tmp_path / "cache")
    assert len(stored[filled]) == 4, "values and checksums, at two boundaries"
    assert stored[filled] == stored[lazily]
    cached = [run.path("log.txt").read_text().count("cached)") for run in (filled, lazily)]
    assert cached == [2, 0]
    pair = [load_weights(run.path("stages/head/weights.npz")) for run in (filled, lazily)]
    for a, b in zip(*pair, strict=True):
        np.testing.assert_array_equal(a, b)


def test_decoded_pictures_are_filled_when_nothing_is_frozen(begin, monkeypatch):
    run = begin("all", "unfreeze.blocks=all", "prepare.augment=light", "prepare.cache='off'")
    assert counts(fill(run, Shard(1, 3))) == [("decoded pictures", 6, 0)]
    assert counts(fill(run, Shard(1, 1))) == [("decoded pictures", 14, 6)]
    monkeypatch.setattr(Prepared, "_make", lambda *_: pytest.fail("decoded again"))
    assert counts(fill(run, Shard(2, 3))) == [("decoded pictures", 0, 7)]


def test_nothing_to_fill_is_said(begin):
    with pytest.raises(ConfigError, match="no cache to fill"):
        fill(begin("off", "prepare.cache='off'"), Shard())
    only_split = api.open_run({"stages": {"scan": {}, "split": {}}}, out=begin().folder)
    with pytest.raises(ConfigError, match="does not train"):
        fill(only_split, Shard())
