"""Which feature of a TFDS data set is the picture, and a label as text."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tlpipe.errors import DataError, nearest

# What builders call the file that a picture came from.
FILE_NAMES = ("file_name", "filename", "image/filename", "image/file_name")

_Features = tfds.features.FeaturesDict


def picture_of(features: _Features, folder: Path) -> str:
    """The name of the feature that is the picture: ``image``, or the only one there is.

    Raises:
        DataError: there is none, or several under other names.
    """
    images = [name for name, one in features.items() if isinstance(one, tfds.features.Image)]
    if "image" in images or len(images) == 1:
        return "image" if "image" in images else images[0]
    raise DataError(
        f"The data set in '{folder}' has {len(images) or 'no'} features that are pictures.",
        where=folder,
        cause=f"its features are {', '.join(features)}",
        todo="choose a data set for the classification of pictures",
    )


def check_label(features: _Features, name: str, folder: Path) -> None:
    """Raises DataError unless the feature is there and its values can be labels."""
    if name not in features:
        raise DataError(
            f"The data set in '{folder}' has no feature '{name}'.",
            where=folder,
            cause=f"its features are {', '.join(features)}",
            todo=f"{nearest(name, features)}; --label names the feature that is the label",
        )
    if _is_single(features[name]) or _is_single(getattr(features[name], "feature", None)):
        return
    raise DataError(
        f"The feature '{name}' of the data set in '{folder}' can't be a label.",
        where=folder,
        cause=f"it is {features[name]!r}"[:300],
        todo="name a class, a text, a number, or a sequence of these with --label",
    )


def as_text(feature: Any, value: Any) -> str:
    """A label as the scan takes it: a class by its name, several joined by ``|``; "" for none."""
    if not _is_single(feature):
        return "|".join(as_text(feature.feature, one) for one in value)
    if isinstance(feature, tfds.features.ClassLabel):
        return _tidy(feature.int2str(int(value))) if value >= 0 else ""
    if isinstance(value, bytes):
        return _tidy(value.decode("utf-8", "replace"))
    # A number in the feature's own precision: a third is 0.33333334, and no longer.
    return str(np.asarray(value, feature.np_dtype))


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _is_single(feature: Any) -> bool:
    return isinstance(feature, tfds.features.Tensor) and feature.shape == ()
