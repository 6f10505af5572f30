"""A user's own augmentation pipeline, in albumentations' serialised form (``A.save``)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
from albumentations.core.serialization import SERIALIZABLE_REGISTRY, shorten_class_name

from tlpipe.errors import ConfigError, nearest

SUFFIXES = (".json", ".yaml", ".yml")


def read_pipeline(path: Path) -> A.Compose:
    """Read a pipeline that ``albumentations.save`` wrote, or that was written by hand.

    Raises:
        ConfigError: a file that can't be read or parsed, a transform that does not exist, an
            argument that the transform does not take (albumentations itself only warns and goes
            on without it), a value out of range, a missing ``p``.
    """
    document = _parse(path)
    root = document.get("transform") if isinstance(document, dict) else None
    if not isinstance(root, dict):
        raise ConfigError(
            f"'{path}' is not an albumentations pipeline.",
            where=path,
            cause="it has no 'transform' at its top",
            todo="write it with albumentations.save(pipeline, 'my.json')",
        )
    transform = _build(root, path)
    return transform if isinstance(transform, A.Compose) else A.Compose([transform])


def _parse(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            f"Can't read the augmentation pipeline '{path}'.",
            where=path,
            cause=str(error),
            todo="check the path, and the file's JSON or YAML; "
            "pipelines/augment_example.yaml shows the form",
        ) from error


def _build(node: Any, path: Path) -> A.BasicTransform | A.BaseCompose:
    """Build one transform and its children; albumentations' own reader drops bad arguments."""
    if not isinstance(node, dict) or not isinstance(node.get("__class_fullname__"), str):
        raise ConfigError(
            "A transform of the augmentation pipeline has no '__class_fullname__'.",
            where=path,
            cause=f"found {str(node)[:80]}",
            todo="name it, for example __class_fullname__: HorizontalFlip",
        )
    name = shorten_class_name(node["__class_fullname__"])
    arguments = {key: value for key, value in node.items() if key != "__class_fullname__"}
    kind = SERIALIZABLE_REGISTRY.get(name)
    if kind is None:
        raise ConfigError(
            f"albumentations has no transform '{name}'.",
            where=path,
            todo=nearest(name, SERIALIZABLE_REGISTRY),
        )
    if "p" not in arguments and name not in ("Compose", "Sequential"):
        # Read without it, every transform would fire half of the time, even a crop.
        raise ConfigError(
            f"The transform '{name}' of the augmentation pipeline has no 'p'.",
            where=path,
            todo="write p: 1.0 for always, p: 0.5 for every other picture",
        )
    if issubclass(kind, A.BaseCompose):
        children = arguments.get("transforms")
        if not isinstance(children, list):
            raise ConfigError(
                f"'{name}' has no list of transforms.",
                where=path,
                todo="list them under its key 'transforms'",
            )
        arguments["transforms"] = [_build(child, path) for child in children]
    else:
        arguments["strict"] = True
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"The transform '{name}' of the augmentation pipeline does not take these arguments.",
            where=path,
            cause=str(error),
            todo=f"see albumentations {A.__version__}: help(albumentations.{name})",
        ) from error
