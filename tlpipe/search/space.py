"""The space as keras-tuner knows it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any

import keras_tuner

from tlpipe.config.search import Knob, Scalar, fractional, names, several
from tlpipe.config.settings import Pipeline
from tlpipe.errors import ConfigError
from tlpipe.search.values import OWN_NAME, as_yaml, tidy


def hyperparameters(space: Mapping[str, tuple[Knob, ...]]) -> keras_tuner.HyperParameters:
    """The space for a keras-tuner oracle.

    What it knows no type for (lists, values of several types) becomes a choice of YAML texts.
    Settings that others depend on come first, as keras-tuner demands.
    """
    found = keras_tuner.HyperParameters()
    # keras-tuner loses values where two of its parameters have one name.
    waiting = [
        (_own_name(key, number, knobs), knob)
        for key, knobs in space.items()
        for number, knob in enumerate(knobs)
    ]
    known: set[str] = set()
    while waiting:
        ready = [(key, knob) for key, knob in waiting if known.issuperset(knob.when)]
        if not ready:
            circle = ", ".join(key for key, _ in waiting)
            raise ConfigError(
                f"These settings depend on one another in a circle: {circle}.",
                todo="take the 'when' out of one of them",
            )
        for key, knob in ready:
            with contextlib.ExitStack() as stack:
                for parent, wanted in knob.when.items():
                    code = _coded(space[parent][0].choice or ())
                    coded = [code(value) for value in several(wanted)]
                    scope = found.conditional_scope(parent, coded)
                    stack.enter_context(scope)
                _register(found, key, knob)
        known |= {key for key, _ in ready}
        waiting = [item for item in waiting if item not in ready]
    return found


def starting(pipeline: Pipeline, space: Mapping[str, tuple[Knob, ...]]) -> dict[str, Scalar] | None:
    """The recipe's own values as keras-tuner names and holds them; None where the space lacks one.

    Settings that have one key must have one value in the recipe.
    """
    own: dict[str, Any] = {}
    for key in space:
        listed = [_setting(pipeline, name) for name in names(key)]
        if any(value != listed[0] for value in listed):
            return None
        own[key] = listed[0]
    found: dict[str, Scalar] = {}
    for key, knobs in space.items():
        for number, knob in enumerate(knobs):
            if not all(own[parent] in several(wanted) for parent, wanted in knob.when.items()):
                continue
            # A trial has four digits: with more it would not be the recipe.
            if not _holds(knob, own[key]) or tidy(own[key], knobs) != own[key]:
                return None
            code = _coded(knob.choice) if knob.choice is not None else lambda value: value
            found[_own_name(key, number, knobs)] = code(own[key])
    return found


def _own_name(key: str, number: int, knobs: tuple[Knob, ...]) -> str:
    return key if len(knobs) == 1 else f"{key}{OWN_NAME}{number}"


def _setting(pipeline: Pipeline, name: str) -> Any:
    stage, _, field = name.partition(".")
    value = getattr(pipeline.stages[stage], field)
    return list(value) if isinstance(value, tuple) else value


def _holds(knob: Knob, value: Any) -> bool:
    if knob.choice is not None:
        return value in knob.choice
    if not isinstance(value, int | float) or not knob.low <= value <= knob.high:
        return False
    steps = (value - knob.low) / (knob.step or 1)
    return knob.step is None or math.isclose(steps, round(steps), abs_tol=1e-6)


def _register(found: keras_tuner.HyperParameters, key: str, knob: Knob) -> None:
    if knob.choice is not None:
        code = _coded(knob.choice)
        found.Choice(key, [code(value) for value in knob.choice])
    elif not fractional(key.partition(OWN_NAME)[0]):
        step = {} if knob.step is None else {"step": int(knob.step)}
        sampling = "log" if knob.log else "linear"
        found.Int(key, int(knob.low), int(knob.high), sampling=sampling, **step)
    else:
        step = None if knob.step is None else float(knob.step)
        sampling = "log" if knob.log else "linear"
        found.Float(key, float(knob.low), float(knob.high), sampling=sampling, step=step)


def _coded(choice: tuple[Any, ...]):
    plain = len({type(value) for value in choice}) == 1 and isinstance(choice[0], Scalar)
    return (lambda value: value) if plain else as_yaml
