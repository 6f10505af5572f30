"""Weights for the nets of keras.applications: Keras' own download, or a file of the user's."""

from __future__ import annotations

import os
import re
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from tlpipe.backbones.registry import Spec
from tlpipe.errors import BackboneError, one_line

# Keras' own loader, by the order of the layers; the newer formats go by their structure.
LEGACY_SUFFIXES = (".h5", ".hdf5")
SUFFIXES = (".weights.h5", ".keras", *LEGACY_SUFFIXES)
_TIMEOUT_S = 20.0


def cache_folder() -> Path:
    """The folder Keras keeps downloaded weights in (``KERAS_HOME`` moves it)."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def cached_file(spec: Spec, size: int) -> Path | None:
    """The downloaded ImageNet weights for an input of ``size`` pixels, or None."""
    name = spec.weights_file(size)
    path = cache_folder() / name if name else None
    return path if path is not None and path.is_file() else None


def is_legacy(path: Path) -> bool:
    """Whether the file is in Keras' older HDF5 layout, as all its published weights are."""
    return path.name.endswith(LEGACY_SUFFIXES) and not path.name.endswith(".weights.h5")


@contextmanager
def download_errors(spec: Spec, size: int) -> Iterator[None]:
    """Turn a failed download inside into a BackboneError, after 20 s without an answer at most."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        yield
    # Keras raises a bare Exception when the download fails, ValueError for a wrong hash.
    except Exception as error:
        if not re.search(r"URL fetch failure|corrupted file|timed out", str(error)):
            raise
        raise BackboneError(
            f"The ImageNet weights of '{spec.name}' could not be fetched.",
            where=cache_folder() / spec.weights_file(size),
            cause=_cause(error),
            todo=f"put '{spec.weights_file(size)}' into {cache_folder()}, or give a file with"
            " --weights PATH, or take '--backbone efficientnet_lite0', whose weights are installed",
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def load_keras_file(model: keras.Model, path: Path, name: str) -> None:
    """Load a ``.h5``, ``.weights.h5`` or ``.keras`` file into the backbone ``name``.

    Raises:
        BackboneError: the file is not readable or does not fit; the cause has the layer, the
            expected shape and the one found.
    """
    weights = [w for w in model.weights if "float" in w.dtype]
    # Keras passes over parts it finds no match for with a mere warning: what the file did not
    # reach must not stay random unnoticed.
    for weight in weights:
        weight.assign(np.full(weight.shape, np.nan, "float32"))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Skipping nested container")
            model.load_weights(str(path))
    # h5py, zipfile and Keras raise many kinds; each means that this file is not for this net.
    except Exception as error:
        raise _unfit(name, path, _cause(error)) from error
    for weight in weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise _unfit(name, path, f"it has no value, or no finite one, for '{weight.path}'")


def _unfit(name: str, path: Path, cause: str) -> BackboneError:
    return BackboneError(
        f"The weights file does not fit '{name}'.",
        where=path,
        cause=cause,
        todo="use a file of the same network; of Keras' own files, the one without top"
        " ('..._notop.h5')",
    )


def _cause(error: Exception) -> str:
    # Keras ends its message with the names of every object of the net.
    return one_line(error).split("List of objects that could not be loaded")[0].strip()
