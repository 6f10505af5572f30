from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from tests.data.photos import lay_out, photo
from tlpipe.data.augment import load
from tlpipe.data.loader import batches, epoch_order
from tlpipe.data.machine import usable_cores
from tlpipe.data.sample import Sampler
from tlpipe.errors import ConfigError, DataError

SIZE = 48


@pytest.fixture
def sampler(tmp_path) -> Sampler:
    names = ["chelsea", "coffee", "astronaut", "rocket", "camera"]
    images = {f"{name}.jpg": np.atleast_3d(photo(name)) for name in names}
    images["camera.jpg"] = np.repeat(images["camera.jpg"], 3, axis=2)
    manifest = lay_out(tmp_path, images)
    return Sampler(manifest, SIZE, augmentation=load("medium", SIZE), seed=7)


@dataclass(frozen=True)
class Counting(Sampler):
    """Makes a picture out of its index, counts how many it made, and may be slow or fail."""

    made: list[int] = field(default_factory=list)
    seconds: float = 0.0
    fails_at: int | None = None
    failure: BaseException = field(default_factory=RuntimeError)

    def plain(self, index: int) -> np.ndarray:
        self.made.append(index)
        time.sleep(self.seconds)
        if index == self.fails_at:
            raise self.failure
        return np.full((self.size, self.size, 3), index % 251, np.uint8)


@pytest.fixture
def counting(sampler) -> Counting:
    return Counting(sampler.manifest, 2)


def loader_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("tlpipe-loader")]


def test_batches_come_in_order_with_the_rest_at_the_end(counting):
    indices = np.random.default_rng(0).permutation(103)
    got = list(batches(counting, indices, view=None, batch_size=20, workers=3))
    assert [len(images) for images, _ in got] == [20, 20, 20, 20, 20, 3]
    assert np.array_equal(np.concatenate([chosen for _, chosen in got]), indices)
    assert all(chosen.dtype == np.int64 for _, chosen in got)
    for images, chosen in got:
        assert images.dtype == np.uint8
        assert np.array_equal(images[:, 1, 1, 2], chosen % 251)
    assert loader_threads() == []


def test_no_pictures_no_batches(counting):
    assert list(batches(counting, np.array([], np.int64), view=None, batch_size=4)) == []


@pytest.mark.parametrize("view", [None, 0, 1])
def test_the_same_bytes_for_any_number_of_threads_and_any_order(sampler, view):
    indices = np.arange(5)

    def all_of(order, workers, batch_size):
        pictures = {}
        with batches(sampler, order, view=view, batch_size=batch_size, workers=workers) as loader:
            for images, chosen in loader:
                pictures |= {int(i): image.tobytes() for i, image in zip(chosen, images, strict=1)}
        return pictures

    alone = all_of(indices, 1, 1)
    assert len(set(alone.values())) == 5
    assert all_of(indices, 4, 3) == all_of(indices[::-1], 2, 2) == alone
    one = sampler.plain(2) if view is None else sampler.augmented(2, view)
    assert alone[2] == one.tobytes()


def test_views_differ(sampler):
    first, second = (
        next(batches(sampler, np.arange(5), view=view, batch_size=5))[0] for view in (0, 1)
    )
    assert all(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_augmented_batches_refuse_validation_pictures(sampler):
    pictures = sampler.manifest.pictures
    mixed = replace(
        sampler,
        manifest=replace(
            sampler.manifest, pictures=(*pictures[:4], replace(pictures[4], split="val"))
        ),
    )
    assert len(list(batches(mixed, np.arange(5), view=None, batch_size=2))) == 3
    with pytest.raises(DataError, match=r"camera\.jpg"):
        list(batches(mixed, np.arange(5), view=0, batch_size=2))


@pytest.mark.parametrize("prefetch", [1, 3])
def test_memory_is_bounded_however_slow_the_user(counting, prefetch):
    loader = batches(
        counting, np.arange(1000), view=None, batch_size=8, workers=4, prefetch=prefetch
    )
    for taken in range(1, 6):
        next(loader)
        wanted = 8 * (taken + prefetch)
        deadline = time.monotonic() + 10
        while len(counting.made) < wanted and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(counting.made) == wanted
    loader.close()


def test_threads_end_when_the_user_stops_early(counting):
    loader = batches(replace(counting, seconds=0.001), np.arange(500), view=None, batch_size=8)
    for number, _ in enumerate(loader):
        if number == 2:
            break
    assert loader_threads()
    loader.close()
    assert loader_threads() == []
    assert list(loader) == []
    dropped = batches(counting, np.arange(500), view=None, batch_size=8)
    next(dropped)
    del dropped
    assert loader_threads() == []


@pytest.mark.parametrize("failure", [RuntimeError("broken"), KeyboardInterrupt()])
def test_threads_end_on_an_exception(counting, failure):
    broken = replace(counting, fails_at=30, failure=failure, made=[])
    seen = []
    loader = batches(broken, np.arange(500), view=None, batch_size=8)
    with pytest.raises(type(failure)):
        seen.extend(chosen for _, chosen in loader)
    assert np.concatenate(seen).tolist() == list(range(24))
    assert loader_threads() == []
    assert len(broken.made) < 100


def test_a_file_that_vanishes_is_named(sampler, tmp_path):
    loader = batches(sampler, np.arange(5), view=0, batch_size=1, workers=1, prefetch=1)
    next(loader)
    (tmp_path / "things" / "camera.jpg").unlink()
    with pytest.raises(DataError, match=r"things/camera\.jpg"):
        list(loader)
    assert loader_threads() == []


def test_the_meter_tells_waiting_from_working(counting):
    slow = batches(
        replace(counting, seconds=0.01), np.arange(24), view=None, batch_size=8, workers=1
    )
    for _ in slow:
        pass
    assert slow.waited_seconds > 0.2
    ready = batches(counting, np.arange(24), view=None, batch_size=8, workers=1)
    for _ in ready:
        time.sleep(0.1)
    assert ready.waited_seconds < 0.15


def test_the_order_of_an_epoch_is_a_pure_function():
    indices = np.arange(100, 160)
    first = epoch_order(indices, seed=3, epoch=0)
    assert np.array_equal(first, epoch_order(indices, seed=3, epoch=0))
    assert sorted(first) == sorted(indices)
    assert first.dtype == np.int64
    for other in ({"seed": 3, "epoch": 1}, {"seed": 4, "epoch": 0}):
        assert not np.array_equal(first, epoch_order(indices, **other))


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"workers": 0}, {"prefetch": 0}, {"view": -1}]
)
def test_numbers_out_of_range_are_refused_at_once(counting, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        batches(counting, np.arange(4), **{"view": None, "batch_size": 2, **wrong})


def test_a_thread_for_every_usable_core(counting):
    seen = set()

    @dataclass(frozen=True)
    class Watching(Counting):
        def plain(self, index: int) -> np.ndarray:
            seen.add(threading.current_thread().name)
            return super().plain(index)

    watching = Watching(counting.manifest, 2, seconds=0.005)
    list(batches(watching, np.arange(200), view=None, batch_size=64))
    assert len(seen) == usable_cores() >= 1
