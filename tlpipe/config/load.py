"""YAML file and ``key=value`` overrides in, a validated :class:`Pipeline` out; and back."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tlpipe.config.audit import Audit
from tlpipe.config.settings import OPTIONAL_STAGES, STAGE_SETTINGS, Pipeline, Settings
from tlpipe.errors import ConfigError, nearest

FINETUNE = {
    "seed": 0,
    "stages": {name: {} for name in STAGE_SETTINGS if name not in OPTIONAL_STAGES},
}


def read_yaml(path: Path, kind: str = "pipeline file") -> dict[str, Any]:
    """The mapping in a YAML file of this ``kind``, not yet validated. Raises ConfigError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"There is no {kind} '{path}'.",
            todo="check the path, or copy one from the pipelines/ folder",
        ) from None
    except (IsADirectoryError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}' is not a YAML text file.", cause=str(error)) from None
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"The {kind} is not valid YAML.", where=path, cause=" ".join(str(error).split())
        ) from None
    if not isinstance(raw, dict):
        raise ConfigError(
            "The file must be a mapping of keys to values.",
            where=path,
            todo="compare it with those in the pipelines/ folder",
        )
    return raw


def read_audit(path: Path | None = None, **given: Any) -> Audit:
    """The audit's limits and thresholds, from a file or by default. Raises ConfigError.

    Args:
        path: the file.
        given: fields of :class:`Audit` that are laid over it, unless they are None.
    """
    raw = read_yaml(path, "file of thresholds") if path is not None else {}
    for name, field in Audit.model_fields.items():
        if name in raw and isinstance(field.default, Settings):
            raw[name] = validated(type(field.default), raw[name] or {}, name, path)
    raw |= {name: value for name, value in given.items() if value is not None}
    return validated(Audit, raw, "", path)


def override(raw: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """A copy of ``raw`` with each ``stage.key=value`` (or ``seed=value``) laid over it.

    Values are read as YAML, so ``head.epochs=4`` is a number and ``split.group=null`` empties.
    """
    merged = copy.deepcopy(raw)
    stages = merged.get("stages") or {}
    if not isinstance(stages, dict):
        raise ConfigError("The stages of a pipeline must be a mapping.")
    merged["stages"] = stages
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        stage, dot, name = key.strip().partition(".")
        if not equals or (not dot and stage != "seed"):
            raise ConfigError(
                f"'{assignment}' is not a setting.",
                todo="write it as stage.key=value, for example head.epochs=4, or seed=1",
            )
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"The value of '{assignment}' can't be read as YAML.",
                cause=" ".join(str(error).split()),
                todo=f"""quote it: --set '{key}="{text}"'""",
            ) from None
        if not dot:
            merged["seed"] = value
        elif stage not in stages:
            raise ConfigError(
                f"The pipeline has no stage '{stage}' (in '{assignment}').",
                todo=nearest(stage, stages),
            )
        else:
            stages[stage] = {**mapping(stages[stage], stage), name: value}
    return merged


def validate(raw: dict[str, Any], where: object = None) -> Pipeline:
    """``raw`` as a typed pipeline. Raises ConfigError naming the key, the value and the cause."""
    unknown = set(raw) - {"seed", "stages"}
    if unknown:
        key = sorted(unknown)[0]
        raise ConfigError(
            f"Unknown key '{key}'.", where=where, todo=nearest(key, Pipeline.model_fields)
        )
    stages = raw.get("stages") or {}
    if not isinstance(stages, dict) or not stages:
        raise ConfigError("The pipeline names no stages.", where=where)
    typed: dict[str, Settings] = {}
    for name, values in stages.items():
        if name not in STAGE_SETTINGS:
            raise ConfigError(
                f"Unknown stage '{name}'.", where=where, todo=nearest(name, STAGE_SETTINGS)
            )
        typed[name] = validated(STAGE_SETTINGS[name], values, name, where)
    return validated(Pipeline, {"seed": raw.get("seed", 0), "stages": typed}, "", where)


def mapping(values: Any, stage: str, where: object = None) -> dict[str, Any]:
    """The settings of a stage, which may be empty. Raises ConfigError."""
    if not isinstance(values or {}, dict):
        raise ConfigError(
            f"The settings of '{stage}' must be a mapping, not {values!r}.", where=where
        )
    return values or {}


def validated(model: type[Settings], values: Any, stage: str, where: object):
    """``values`` as a ``model``. Raises ConfigError naming ``stage``, key, value and cause."""
    try:
        return model.model_validate(mapping(values, stage, where))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        full = ".".join(part for part in (stage, key) if part)
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                f"Unknown setting '{full}'.",
                where=where,
                todo=nearest(full, [full.removesuffix(key) + name for name in model.model_fields]),
            ) from None
        shown = f" = {first['input']!r}" if key else ""
        raise ConfigError(
            f"The setting '{full}'{shown} can't be used.",
            where=where,
            cause=_in_words(first),
            todo=_advice(model, key, full),
        ) from None


def _in_words(error: dict[str, Any]) -> str:
    """What pydantic found, in the user's words."""
    kind = error["type"].split("_")[0]
    wanted = {"int": "a whole number", "float": "a number", "bool": "true or false"}
    if kind in wanted:
        return f"it must be {wanted[kind]}"
    words = error["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
    return words.replace("it must be a valid string", "it must be text")


def _advice(model: type[Settings], key: str, full: str) -> str | None:
    field = model.model_fields.get(key)
    if field is None or field.is_required():
        return None
    about = f"{field.description}; " if field.description else ""
    default = "empty" if field.default is None else f"{full}={field.default}"
    return f"{about}the default is {default}"


def dump(pipeline: Pipeline) -> str:
    """The resolved pipeline as YAML: reading it again gives an equal pipeline."""
    stages = {name: settings.model_dump(mode="json") for name, settings in pipeline.stages.items()}
    return yaml.safe_dump(
        {"seed": pipeline.seed, "stages": stages}, sort_keys=False, allow_unicode=True
    )
