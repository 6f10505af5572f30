"""A trial's values: as keras-tuner holds them, as settings take them, and as they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from tlpipe.config.search import Knob, Scalar, names

Values = dict[str, Scalar]
# Between a setting and the number of its entry, where it has several.
OWN_NAME = "#"


def as_yaml(value: Any) -> str:
    """A value in one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.split("\n...")[0].strip()


def rounded(values: Mapping[str, Any], space: Mapping[str, tuple[Knob, ...]]) -> Values:
    """Proposed values as they are tried, noted and shown: of the space only, four digits."""
    found = {name.partition(OWN_NAME)[0]: value for name, value in values.items()}
    return {key: tidy(found[key], space[key]) for key in space if key in found}


def tidy(value: Scalar, knobs: tuple[Knob, ...]) -> Scalar:
    """A value of the space as a trial has it."""
    # keras-tuner makes 0 and 1 of false and true.
    for choice in (choice for knob in knobs for choice in knob.choice or ()):
        if isinstance(choice, bool) and choice == value:
            return choice
    return float(f"{value:.4g}") if isinstance(value, float) else value


def assignments(values: Values, space: Mapping[str, tuple[Knob, ...]]) -> list[str]:
    """``stage.key=value`` for every setting, as :func:`tlpipe.config.load.override` takes them."""
    return [
        f"{name}={text_of(key, value, space)}"
        for key, value in values.items()
        for name in names(key)
    ]


def text_of(key: str, value: Scalar, space: Mapping[str, tuple[Knob, ...]]) -> str:
    """A value as YAML, whether keras-tuner holds it as it is or as text."""
    choices = [knob.choice for knob in space[key] if knob.choice is not None]
    coded = any(value in map(as_yaml, c) and value not in c for c in choices)
    return value if coded else as_yaml(value)
