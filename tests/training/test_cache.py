from dataclasses import replace
from threading import Thread

import keras
import numpy as np
import pytest

from tlpipe.config.settings import Prepare
from tlpipe.data.prepared import Prepared
from tlpipe.heads.pyramid import SpatialPyramidPooling
from tlpipe.training import cache, cache_folder

TRAIN, PLAIN = np.arange(5), np.arange(5, 7)


@pytest.fixture(autouse=True)
def _root(tmp_path, monkeypatch):
    monkeypatch.setenv("TLPIPE_CACHE", str(tmp_path))


def prefix(seed=0):
    x = keras.Input((4, 4, 3))
    start = keras.initializers.GlorotUniform(seed=seed)
    return keras.Model(x, keras.layers.Conv2D(2, 3, kernel_initializer=start)(x))


def plan(settings=None, model=None, **facts):
    model = model or prefix()
    return cache.plan(
        settings or Prepare(),
        model,
        [model.output],
        train=TRAIN,
        plain=PLAIN,
        facts={"split": "abc", **facts},
    )


def test_views_and_rounding_do_not_depend_on_whether_there_is_room():
    stored, refused = plan(), plan(Prepare(cache_size=1e-9))
    assert stored.stores
    assert not refused.stores
    assert (stored.views, stored.dtype) == (refused.views, refused.dtype) == (4, "float16")
    assert "--cache-size" in refused.sentence


def test_off_means_a_new_view_every_epoch_and_no_rounding():
    off = plan(Prepare(cache="off"))
    assert (off.views, off.dtype, off.stores) == (None, "float32", [])


@pytest.mark.parametrize(
    "other",
    [
        lambda: plan(model=prefix(seed=1)),
        lambda: plan(split="def"),
        lambda: plan(augmentation="strong"),
        lambda: plan(weights_file="another"),
        lambda: plan(Prepare(cache_dtype="float32")),
        lambda: plan(Prepare(cache=2)),
    ],
)
def test_whatever_changes_the_activations_changes_the_place(other):
    assert plan().stores[0].folder == plan().stores[0].folder
    assert plan().stores[0].folder != other().stores[0].folder


def pyramid(*levels, name="pool", rate=0.1):
    x = keras.Input((4, 4, 3))
    y = keras.layers.Dropout(rate, name=name)(x)
    return keras.Model(x, SpatialPyramidPooling(levels)(y))


def test_two_layers_of_one_kind_and_size_have_places_of_their_own():
    """Levels 1, 2, 4 in another order: the same shape, no weights, other numbers."""
    assert pyramid(1, 2, 4).output.shape == pyramid(4, 2, 1).output.shape
    place = plan(model=pyramid(1, 2, 4)).stores[0].folder
    assert plan(model=pyramid(4, 2, 1)).stores[0].folder != place
    # What a process drew for itself, and whether a layer trains, make no difference.
    keras.utils.set_random_seed(5)
    same = pyramid(1, 2, 4, name="other")
    same.trainable = False
    assert plan(model=same).stores[0].folder == place


def test_the_least_recently_used_goes_first_and_clear_takes_all():
    folders = [plan(split=name).stores[0].folder for name in "abc"]
    for number, folder in enumerate(folders):
        (folder / "values.bin").write_bytes(bytes(100_000))
        (folder / "used").write_text(f"2026-01-0{3 - number}")
    cache_folder.make_room(50_000, 300_000, keep=[folders[0].name])
    assert [folder.exists() for folder in folders] == [True, True, True]
    cache_folder.make_room(150_000, 300_000, keep=[folders[0].name])
    assert [folder.exists() for folder in folders] == [True, True, False]
    assert cache_folder.clear() >= 200_000
    assert cache_folder.stored() == []


def test_what_somebody_else_keeps_in_the_folder_is_left_alone(tmp_path):
    thesis = tmp_path / "thesis" / "chapter1.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    (folder,) = (store.folder for store in plan().stores)
    cache_folder.make_room(1000, 1000, keep=[])
    assert not folder.exists()
    plan()
    assert len(cache_folder.stored()) == 1
    cache_folder.clear()
    assert cache_folder.stored() == []
    assert thesis.read_text() == "years of work"


def test_older_caches_make_way_where_the_disk_is_small(monkeypatch):
    (old,) = (store.folder for store in plan(split="old").stores)
    (old / "values.bin").write_bytes(bytes(1_000_000))
    free = {"now": 0}

    def free_bytes(folder):
        return free["now"] + (0 if old.exists() else 1_000_000)

    monkeypatch.setattr(cache_folder, "free_bytes", free_bytes)
    # Not even all of it would be enough.
    cache_folder.make_room(900_000, 10**9, keep=[])
    assert old.exists()
    refused = plan(Prepare(), split="new")
    assert refused.stores
    assert not old.exists()


def test_a_folder_that_can_not_be_used_costs_the_cache_and_not_the_run(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TLPIPE_CACHE", str(tmp_path / "file" / "cache"))
    found = plan()
    assert (found.views, found.dtype, found.stores) == (4, "float16", [])
    assert "can't be used" in found.sentence
    assert "TLPIPE_CACHE" in found.sentence


def test_of_two_that_come_at_once_one_waits_while_the_other_makes_the_cache():
    model, made = prefix(), []
    second = Thread(target=lambda: made.append(plan(model=model)))
    with cache_folder.alone():
        second.start()
        second.join(0.5)
        assert not made
        assert cache_folder.stored() == []
    second.join(20)
    assert made[0].stores[0].folder == plan(model=model).stores[0].folder


def test_pictures_are_kept_for_the_network_without_a_frozen_part(tmp_path, small):
    from tlpipe.data.folder import list_folder
    from tlpipe.data.manifest import Manifest
    from tlpipe.data.scan import scan

    listing = list_folder(small)
    found = scan(listing).pictures
    manifest = Manifest(listing.root, tuple(replace(p, split="train") for p in found))
    kept, sentence = cache.keep_pictures(Prepare(), manifest, 224)
    assert kept.short_side == 256
    assert "short side 256" in sentence
    (entry,) = cache_folder.stored()
    assert entry["bytes"] >= Prepared.bytes_needed(manifest, 256)
    assert cache.keep_pictures(Prepare(pictures=100), manifest, 224)[0].short_side == 100
    refused, sentence = cache.keep_pictures(Prepare(cache_size=1e-9), manifest, 224)
    assert refused.short_side == 256, "what the network sees does not depend on the room"
    assert "not kept" in sentence
    assert cache.keep_pictures(Prepare(pictures="off"), manifest, 224)[0] is None


def test_no_fact_takes_the_place_of_what_is_looked_at():
    with pytest.raises(ValueError, match="weights"):
        plan(weights="of a file")
