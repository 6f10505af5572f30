"""The caches: what is worth storing, under which key, and how much room it may take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import keras
import numpy as np

from tlpipe.config.settings import Prepare
from tlpipe.data.manifest import Manifest
from tlpipe.data.pixels import RGB, Pixels
from tlpipe.data.prepared import Prepared
from tlpipe.training.cache_folder import alone, make_room, room_on_disk, root
from tlpipe.training.device import gpus
from tlpipe.training.frozen import fingerprint
from tlpipe.training.store import Store, touch

VERSION = 5
AUTO_VIEWS = 4
# Settings of a layer that its activations do not hang on; its weights have a key of their own.
_NO_MATTER = ("name", "trainable", "seed", "initializer", "regularizer", "constraint")


@dataclass(frozen=True)
class Plan:
    """What was decided.

    Attributes:
        views: augmented views a training picture has; None for a new one every epoch.
        dtype: activations are rounded to it, stored or not.
        stores: one for each tensor, or none.
        sentence: the decision and its reason, for the person.
    """

    views: int | None
    dtype: str
    stores: list[Store]
    sentence: str


def plan(
    settings: Prepare,
    prefix: keras.Model,
    tensors: Sequence[keras.KerasTensor],
    *,
    train: np.ndarray,
    plain: np.ndarray,
    facts: dict,
) -> Plan:
    """Decides on views and stores for the outputs ``tensors`` of ``prefix``.

    How many views there are follows from the settings alone, because it changes the model; whether
    they are stored depends on the room there is, because it does not.

    Args:
        settings: ``cache``, ``cache_dtype``, ``cache_size`` and ``views``.
        prefix: the frozen part; its weights are part of the key.
        tensors: its outputs.
        train: rows of the manifest that are augmented.
        plain: rows that are not.
        facts: everything else the activations depend on.
    """
    if settings.cache == "off":
        return Plan(
            settings.views, "float32", [], "cache off, as asked: the prefix runs every epoch"
        )
    views = settings.cache if isinstance(settings.cache, int) else settings.views or AUTO_VIEWS
    dtype = settings.cache_dtype
    shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
    needed = [Store.bytes_needed(s, dtype, views, len(train), len(plain)) for s in shapes]
    keys = [_key(prefix, tensor, dtype, views, facts) for tensor in tensors]
    try:
        with alone():
            told = _no_room(sum(needed), settings, keys)
            if told is not None:
                return Plan(views, dtype, [], f"cache off: {views} views {told}")
            stores = [
                Store(
                    root() / key,
                    shape=shape,
                    dtype=dtype,
                    views=views,
                    train=train,
                    plain=plain,
                    facts={**facts, "shape": list(shape), "dtype": dtype, "views": views},
                )
                for key, shape in zip(keys, shapes, strict=True)
            ]
    except OSError as error:
        return Plan(views, dtype, [], f"cache off: {_unusable(error)}")
    size = f"{sum(needed) / 1e6:.0f} MB"
    return Plan(views, dtype, stores, f"cache: {views} views a picture, {dtype}, {size} when full")


def keep_pictures(
    settings: Prepare, manifest: Manifest, size: int, pixels: Pixels = RGB
) -> tuple[Prepared | None, str]:
    """Decoded training pictures, for a step in which every epoch reads them again.

    Args:
        settings: ``pictures`` and ``cache_size``.
        manifest: the pictures.
        size: side of the network's input in pixels.
        pixels: how the files' bytes become pixels.

    Returns:
        The store, or None when ``pictures`` is off; and the decision for the person. Whether the
        pictures are reduced follows from the settings; whether they are stored, from the room.
    """
    if settings.pictures == "off":
        return None, "decoded pictures are not kept, as asked"
    # The margin that ImageNet training gives itself: 256 for 224.
    side = settings.pictures if settings.pictures != "auto" else round(size * 8 / 7)
    facts = {"version": VERSION, "split": manifest.digest, "short_side": side, **asdict(pixels)}
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    needed = Prepared.bytes_needed(manifest, side, pixels.channels)
    without = Prepared(manifest, None, side, channels=pixels.channels)
    try:
        with alone():
            told = _no_room(needed, settings, [key])
            if told is not None:
                return without, f"decoded pictures {told}, and are not kept"
            about = {"backbone": "(pictures)", "shape": [side], "views": 1, **facts}
            store = Prepared(manifest, root() / key, side, about, pixels.channels)
            touch(root() / key)
    except OSError as error:
        return without, f"decoded pictures are not kept: {_unusable(error)}"
    return store, f"decoded pictures are kept: short side {side}, {needed / 1e6:.0f} MB when full"


def _no_room(needed: int, settings: Prepare, keys: Sequence[str]) -> str | None:
    """Why ``needed`` bytes can't be had, after older caches made way; None when they can."""
    limit = int(settings.cache_size * 1e9)
    make_room(needed, limit, keep=keys)
    if needed > limit:
        return f"would take {needed / 1e9:.2f} GB of at most {limit / 1e9:.2f} (--cache-size GB)"
    free = room_on_disk(keys)
    if needed > free:
        return (
            f"would take {needed / 1e9:.2f} GB, and the disk of {root()} has room for "
            f"{free / 1e9:.2f} (TLPIPE_CACHE names a folder on another)"
        )
    return None


def _unusable(error: OSError) -> str:
    return f"{root()} can't be used ({error.strerror or error}); TLPIPE_CACHE names another folder"


def _key(prefix, tensor, dtype: str, views: int, facts: dict) -> str:
    # Only what leads to this tensor counts, so that step three finds what step two stored for it.
    path = keras.Model(prefix.input, tensor)
    parts = {
        "version": VERSION,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        # Its products may be rounded otherwise than a processor's.
        "gpu": bool(gpus()),
        "weights": fingerprint(path.weights),
        "layers": [(type(layer).__name__, _settings(layer)) for layer in path.layers],
        "shape": list(tensor.shape[1:]),
        "dtype": dtype,
        "views": views,
    }
    if taken := parts.keys() & facts.keys():
        raise ValueError(f"facts of another meaning in the cache's key: {sorted(taken)}")
    parts |= facts
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _settings(layer: keras.layers.Layer) -> dict:
    """What it does with its weights: two of one kind and one size may differ in this alone."""
    found = layer.get_config()
    return {key: value for key, value in found.items() if not key.endswith(_NO_MATTER)}
