"""The model card (Mitchell et al. 2019): a run's README.md, written from its own figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from jinja2 import Environment, PackageLoader

from tlpipe.metrics.scores import majority

# Below this many test pictures a class's recall is uncertain by more than 0.15 either way.
FEW = 30
_TITLES = {
    "class": {
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced accuracy",
        "macro_f1": "macro F1",
        "auc": "ROC-AUC",
        "ece": "calibration error (ECE)",
        "log_loss": "log loss",
        "brier": "Brier score",
    },
    "labels": {
        "exact_match": "pictures with all labels right",
        "label_accuracy": "answers right",
        "macro_f1": "macro F1",
        "auc": "mean ROC-AUC",
        "average_precision": "mean average precision",
        "log_loss": "log loss",
    },
    "number": {
        "mae": "mean absolute error",
        "rmse": "root mean squared error",
        "r2": "R2",
    },
}


def model_card(facts: Mapping[str, Any]) -> str:
    """The card as Markdown. A section whose facts are missing is left out.

    Keys of ``facts`` (only the first two are required):
        name: str, the run's name.
        class_names: names in the order of the probabilities.
        target: ``class`` (also when missing), ``labels`` or ``number``.
        headline: the test scores in a line; used where the target is not ``class``.
        date: str, when it was trained.
        run: str, the run folder as a person would type it.
        input: ``size`` (pixels), ``resize`` ('crop', 'pad' or 'squash'), ``channels``, and
            ``range``: the samples that become 0 and 255, where they are not these.
        own_layers: names of what in the model plain Keras does not know.
        data: ``root``; ``counts`` {part: {class: n}}; ``set_aside`` [{path, cause}];
            ``duplicates`` {exact, near, conflicting: n}; ``grouped`` (bool: related pictures were
            kept together); ``notes`` [str].
        recipe: ``backbone``, ``weights``, ``augmentation`` and ``steps``, a list of {``step``
            'head' or 'unfreeze', ``trained`` and ``frozen`` block names, ``epochs``,
            ``best_epoch``, ``learning_rate``, ``batch_size``}.
        metrics: metrics.json: {part: what ``metrics.bootstrap.with_intervals`` returns}.
        unfreezing: ``verdict`` ('better', 'worse' or 'tie'), ``score``, ``difference`` {value, low,
            high} and ``kept`` ('head' or 'unfrozen').
        plots: {title: path within the run folder}.
        limits: further sentences, [str].
        licences: {of what: sentence}.
        provenance: {title: value}, shown in this order; a dict as a value (versions) is shown on
            one line. For example seed, split, device, precision, versions.
    """
    environment = Environment(
        loader=PackageLoader("tlpipe.audit", ""),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        score=_score, plain=_plain, names=_names, oneline=_oneline, shell=quote
    )
    metrics, kind = facts.get("metrics") or {}, facts.get("target", "class")
    text = environment.get_template("card.md.j2").render(
        **facts,
        kind=kind,
        titles=_TITLES[kind],
        own_limits=_limits(facts, metrics.get("test")),
        level=_level(metrics.get("test")),
        baseline=_baseline(metrics.get("test")) if kind == "class" else "",
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _limits(facts: Mapping[str, Any], test: Mapping[str, Any] | None) -> list[str]:
    """What the figures themselves say about how far they can be trusted."""
    found = []
    if not test:
        found.append("There is no test score: nothing here says how well it does on new pictures.")
    else:
        rows = test.get("per_class") or test.get("per_label") or {}
        support = {name: row["support"] for name, row in rows.items()}
        absent = [name for name, n in support.items() if n == 0]
        few = [f"{name} ({n})" for name, n in support.items() if 0 < n < FEW]
        if absent:
            found.append(f"Not tested at all, for want of test pictures: {_names(absent)}.")
        if few:
            found.append(f"Tested on fewer than {FEW} pictures, so uncertain: {_names(few)}.")
    data = facts.get("data") or {}
    if data.get("grouped") is False:
        found.append(
            "Pictures were split one by one. If several show the same person, plant or object, "
            "some of those may lie on both sides, and the test score is then too high; "
            "`--group` keeps them together."
        )
    if (data.get("duplicates") or {}).get("conflicting"):
        n = data["duplicates"]["conflicting"]
        found.append(f"The labels contradict themselves: duplicates with different labels ({n}).")
    return found


def _baseline(test: Mapping[str, Any] | None) -> str:
    """What answering with the most common class alone would score."""
    if not test:
        return ""
    common, share = majority(test)
    return f"always answering {_plain(common)} would give {share:.3f}"


def _level(test: Mapping[str, Any] | None) -> str:
    level = ((test or {}).get("bootstrap") or {}).get("level")
    return f"{level:.0%}" if level else "bootstrap"


def _score(value: float | None, interval: Sequence[float] | None = None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _plain(text: object) -> str:
    """Text that Markdown shows as it is, on one line, also inside a table."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$])", r"\\\1", " ".join(str(text).split()))


def _names(names: Sequence[object]) -> str:
    return ", ".join(_plain(name) for name in names)


def _oneline(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_plain(key)} {_plain(item)}" for key, item in value.items())
    return _plain(value)
