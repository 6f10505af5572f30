"""The space as keras-tuner knows it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import keras_tuner

from tlpipe.config.search import Knob, Scalar, fractional
from tlpipe.errors import ConfigError
from tlpipe.search.values import OWN_NAME, as_yaml


def hyperparameters(space: Mapping[str, tuple[Knob, ...]]) -> keras_tuner.HyperParameters:
    """The space for a keras-tuner oracle.

    What it knows no type for (lists, values of several types) becomes a choice of YAML texts.
    Settings that others depend on come first, as keras-tuner demands.
    """
    found = keras_tuner.HyperParameters()
    # keras-tuner loses values where two of its parameters have one name.
    waiting = [
        (key if len(knobs) == 1 else f"{key}{OWN_NAME}{number}", knob)
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
                    listed = list(wanted) if isinstance(wanted, tuple) else [wanted]
                    code = _coded(space[parent][0].choice or ())
                    scope = found.conditional_scope(parent, [code(value) for value in listed])
                    stack.enter_context(scope)
                _register(found, key, knob)
        known |= {key for key, _ in ready}
        waiting = [item for item in waiting if item not in ready]
    return found


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
