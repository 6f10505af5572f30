"""The recipe that all trials start from, and whether what the space asks for can be run at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from tlpipe.config.load import FINETUNE, override, validate
from tlpipe.config.search import FIXED, Knob, SearchFile, names, several
from tlpipe.config.settings import Pipeline
from tlpipe.config.source import whole
from tlpipe.errors import ConfigError, TlpipeError
from tlpipe.pipeline.run import Run
from tlpipe.search.objective import check_objective
from tlpipe.search.values import as_yaml
from tlpipe.stages.registry import make_stages
from tlpipe.targets.registry import TARGETS


def recipe(file: SearchFile, data: str | None, assignments: list[str]) -> dict[str, Any]:
    """The pipeline under every trial, unvalidated: the defaults, the file's recipe, the flags.

    The split gets the search's seed for good, so that trials with other seeds are scored on the
    same pictures.
    """
    stages = {name: {**(file.recipe.get(name) or {})} for name in FINETUNE["stages"]}
    unknown = set(file.recipe) - set(stages)
    if unknown:
        validate({"stages": dict.fromkeys(unknown)})
    raw = override({"seed": file.seed, "stages": stages}, assignments)
    if data is not None:
        raw["stages"]["scan"]["data"] = data
    if raw["stages"]["scan"].get("data"):
        raw["stages"]["scan"]["data"] = whole(raw["stages"]["scan"]["data"])
    # Also where a copied recipe names them and leaves them empty.
    split, prepare = raw["stages"]["split"], raw["stages"]["prepare"]
    if split.get("seed") is None:
        split["seed"] = raw["seed"]
    prepare["boundaries"] = prepare.get("boundaries") or _boundaries(file)
    return raw


def _boundaries(file: SearchFile) -> list[Any]:
    """Where the trials will cut the network, so that the first one caches for all of them."""
    if any("backbone.name" in names(key) for key in file.space):
        # Another network may have other blocks.
        return []
    knobs = [
        k for key, found in file.space.items() if "unfreeze.blocks" in names(key) for k in found
    ]
    return [value for knob in knobs for value in knob.choice or ()]


def check(file: SearchFile, raw: dict[str, Any], folder: Path) -> Pipeline:
    """The validated recipe, after every value of the space was tried on it.

    Raises:
        ConfigError: a value that its setting does not take, or a network, a block or a file that
            is not there, before anything runs.
    """
    pipeline = validate(raw)
    check_objective(file.search.objective, TARGETS[pipeline.stages["scan"].target])
    if file.search.tuner == "hyperband":
        _check_hyperband(file)
    for key, knobs in file.space.items():
        for knob in knobs:
            for value in knob.ends():
                laid = _together(key, knob, value, file.space)
                _check_value(key, value, laid, raw, folder, deep=knob.choice is not None)
    run = Run(folder, pipeline, Console(quiet=True))
    for stage in make_stages(pipeline):
        stage.check(run)
    return pipeline


def _together(key: str, knob: Knob, value: Any, space: Mapping[str, tuple[Knob, ...]]) -> list[str]:
    """A value with what it is only tried with: what it depends on, and what depends on that.

    A backbone may need the weights file that another entry names for it alone.
    """
    held, waiting = {key: value}, [knob]
    while waiting:
        for parent, wanted in waiting.pop().when.items():
            if parent not in held:
                held[parent] = several(wanted)[0]
                waiting += space[parent]
    for other, knobs in space.items():
        for entry in knobs:
            holds = all(
                parent in held and held[parent] in several(wanted)
                for parent, wanted in entry.when.items()
            )
            if entry.when and holds and other not in held:
                held[other] = entry.ends()[0]
    return [f"{name}={as_yaml(v)}" for key, v in held.items() for name in names(key)]


def _check_value(
    key: str, value: Any, laid: list[str], raw: dict[str, Any], folder: Path, *, deep: bool
) -> None:
    try:
        # A bound is a number that validation can judge; a choice may name a network or a file.
        pipeline = validate(override(raw, laid))
        if deep:
            run = Run(folder, pipeline, Console(quiet=True))
            touched = {name.partition(".")[0] for name in names(key)}
            if "unfreeze.blocks" in names(key):
                touched.add("backbone")
            for stage in make_stages(pipeline):
                if stage.name in touched and stage.name not in FIXED:
                    stage.check(run)
    except TlpipeError as error:
        raise ConfigError(
            f"The space's value {value!r} of '{key}' can't be tried.",
            cause=error.what if error.cause is None else f"{error.what} {error.cause}",
            todo=error.todo,
        ) from None


def _check_hyperband(file: SearchFile) -> None:
    for key in file.space:
        if {"unfreeze.epochs", "unfreeze.pause"} & set(names(key)):
            raise ConfigError(
                f"Hyperband chooses the epochs of step three itself, and the space has '{key}'.",
                todo="take it out of the space, or use another tuner",
            )
