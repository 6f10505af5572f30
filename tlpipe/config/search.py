"""The search's file: what is tried, how many times, and what counts as better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from tlpipe.config.load import read_yaml, validated
from tlpipe.config.settings import STAGE_SETTINGS, Positive, Settings
from tlpipe.errors import ConfigError, nearest

# All trials are scored on the same validation pictures, or their scores could not be compared.
FIXED = ("scan", "split", "select", "evaluate", "report")
Scalar = bool | int | float | str
# What a finished search leaves in its folder.
BEST, LEADERS = "best.yaml", "leaders.json"


class Knob(Settings):
    """The values one setting may take: listed by ``choice``, or between ``low`` and ``high``."""

    choice: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    low: int | float | None = None
    high: int | float | None = None
    step: Positive | None = None
    log: bool = False
    when: dict[str, Scalar | tuple[Scalar, ...]] = Field(
        {}, description="tried only where these other settings have these values"
    )

    @model_validator(mode="after")
    def _is_one_of_both(self):
        if (self.choice is None) == (self.low is None or self.high is None):
            raise ValueError("write {choice: [...]} or {low: ..., high: ...}")
        if self.choice is None:
            if not self.low < self.high:
                raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
            if self.log and self.low <= 0:
                raise ValueError("low must be above 0 where log is true")
            if self.log and self.step is not None:
                raise ValueError("log and step don't go together")
        return self

    def ends(self) -> list[Any]:
        """Every value of a choice, or the two ends of a range: what must be valid settings."""
        return list(self.choice) if self.choice is not None else [self.low, self.high]


class Search(Settings):
    """How the search goes about it."""

    tuner: Literal["random", "bayesian", "hyperband"] = Field(
        "bayesian", description="keras-tuner's way of proposing values"
    )
    objective: str = Field(
        "auc",
        description="validation score: auc, accuracy, balanced_accuracy, macro_f1, log_loss, or "
        "file.py:function(labels, probabilities), larger is better",
    )
    trials: Annotated[int, Field(ge=1, le=10_000)] = Field(
        20, description="how many; hyperband decides itself"
    )
    start: bool = Field(
        True, description="the first trial is the recipe as it is, where the space has its values"
    )
    workers: Annotated[int, Field(ge=1, le=1024)] = Field(1, description="trials at the same time")
    stop: bool = Field(
        True, description="end a trial after step two that can't catch up with the best one"
    )
    memory: Positive | None = Field(
        None, description="GB a trial may take; empty: its share of 85 % of the machine"
    )
    leaders: Annotated[int, Field(ge=1, le=50)] = Field(
        3, description="how many of the best are run again with other seeds"
    )
    confirm: Annotated[int, Field(ge=0, le=100)] = Field(
        3, description="with how many other seeds, and the recipe you started from as well"
    )
    factor: Annotated[int, Field(ge=2, le=10)] = Field(
        3, description="of hyperband: one trial in so many is trained so many times longer"
    )


class SearchFile(Settings):
    """A search file: the recipe it starts from, and what of it is tried out."""

    seed: Annotated[int, Field(ge=0, lt=2**30)] = 0
    search: Search = Search()
    recipe: dict[str, dict[str, Any] | None] = Field({}, description="settings of the stages")
    space: dict[str, tuple[Knob, ...]] = Field({}, description="what is tried, by setting")


SPACE: dict[str, Any] = {
    "unfreeze.blocks": {"choice": [1, 2, 3, 4]},
    "head.learning_rate": {"low": 0.001, "high": 0.01, "log": True},
    "unfreeze.learning_rate": {"low": 0.00003, "high": 0.001, "log": True},
    "head.weight_decay, unfreeze.weight_decay": {"low": 0.0, "high": 0.001},
    "head.dropout": {"low": 0.0, "high": 0.5, "step": 0.1},
    "head.label_smoothing, unfreeze.label_smoothing": {"choice": [0.0, 0.05, 0.1]},
    "head.hidden": {"choice": [[], [256]]},
    "prepare.augment": {"choice": ["light", "medium"]},
    "head.batch_size, unfreeze.batch_size": {"choice": [16, 32, 64]},
    "head.balance, unfreeze.balance": {"choice": [False, True]},
}


def several(wanted: Scalar | tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    """The values that a ``when`` waits for, also where it names one alone."""
    return wanted if isinstance(wanted, tuple) else (wanted,)


def names(key: str) -> list[str]:
    """The settings that one key of the space sets together: ``a.x, b.x`` is two."""
    return [part.strip() for part in key.split(",")]


def read_search(path: Path | None = None, **laid_over: Any) -> SearchFile:
    """The search in a file, or the default one, with single values of ``search`` laid over it.

    Args:
        path: a file such as ``pipelines/search.yaml``.
        laid_over: ``seed`` and fields of :class:`Search`; None leaves what the file says.

    Raises:
        ConfigError: naming the key, the value and the cause.
    """
    raw = read_yaml(path, "search file") if path is not None else {}
    given = {key: value for key, value in laid_over.items() if value is not None}
    if "seed" in given:
        raw["seed"] = given.pop("seed")
    raw["search"] = validated(Search, {**(raw.get("search") or {}), **given}, "search", path)
    raw["space"] = _read_space(raw.get("space") or SPACE, path)
    return validated(SearchFile, raw, "", path)


def _read_space(raw: Any, path: Path | None) -> dict[str, tuple[Knob, ...]]:
    if not isinstance(raw, dict):
        raise ConfigError("The space must be a mapping of settings to values.", where=path)
    space, seen = {}, set()
    for key, knobs in raw.items():
        for name in names(key):
            _check_name(name, path)
            if name in seen:
                raise ConfigError(
                    f"The space names '{name}' twice.",
                    where=path,
                    todo="give a setting one entry; a list of entries where they have a 'when'",
                )
            seen.add(name)
        listed = knobs if isinstance(knobs, list) else [knobs]
        space[key] = tuple(validated(Knob, knob, f"space: {key}", path) for knob in listed)
        if len(listed) > 1 and not all(knob.when for knob in space[key]):
            raise ConfigError(
                f"Several entries of '{key}' apply at once.",
                where=path,
                todo="give each of them a 'when'",
            )
    for key, knobs in space.items():
        for knob in knobs:
            _check_step(key, knob, path)
            for parent, wanted in knob.when.items():
                _check_parent(key, parent, wanted, space, path)
    return space


def _check_parent(
    key: str,
    parent: str,
    wanted: Scalar | tuple[Scalar, ...],
    space: dict[str, tuple[Knob, ...]],
    path: Path | None,
) -> None:
    if parent not in space or parent == key:
        raise ConfigError(
            f"'{key}' depends on '{parent}', which the space does not try out.",
            where=path,
            todo=nearest(parent, space),
        )
    if len(space[parent]) > 1 or space[parent][0].choice is None:
        raise ConfigError(
            f"'{key}' depends on '{parent}', which has no single list of values.",
            where=path,
            todo=f"give '{parent}' one entry with a 'choice'",
        )
    values = space[parent][0].choice
    for value in several(wanted):
        if value not in values:
            listed = ", ".join(map(str, values))
            raise ConfigError(
                f"'{key}' waits for '{parent}' to be {value!r}, which is never tried.",
                where=path,
                todo=f"its values are: {listed}",
            )


def fractional(key: str) -> bool:
    """Whether the setting that ``key`` names takes numbers with a fraction."""
    stage, _, field = names(key)[0].partition(".")
    return _mentions(STAGE_SETTINGS[stage].model_fields[field].annotation, float)


def _mentions(annotation: Any, kind: type) -> bool:
    return annotation is kind or any(_mentions(part, kind) for part in get_args(annotation))


def _check_step(key: str, knob: Knob, path: Path | None) -> None:
    if knob.step is not None and knob.step != int(knob.step) and not fractional(key):
        raise ConfigError(
            f"'{key}' is a whole number, and its step is {knob.step:g}.",
            where=path,
            todo="give a whole step, or list the values: {choice: [...]}",
        )


def _check_name(name: str, path: Path | None) -> None:
    stage, _, field = name.partition(".")
    if stage in FIXED:
        raise ConfigError(
            f"'{name}' can't be searched.",
            where=path,
            cause="all trials are scored on the same pictures in the same way",
            todo="set it below 'recipe' instead",
        )
    if stage not in STAGE_SETTINGS or field not in STAGE_SETTINGS[stage].model_fields:
        known = [f"{s}.{f}" for s, m in STAGE_SETTINGS.items() for f in m.model_fields]
        raise ConfigError(f"Unknown setting '{name}'.", where=path, todo=nearest(name, known))
