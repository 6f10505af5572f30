"""The tests of the attribution methods, made once and read by two sections."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from tlpipe.audit.subject import Subject
from tlpipe.audit.svg import QUIET, svg
from tlpipe.explain.faithful import curve, random_order, randomised, similarity
from tlpipe.explain.methods import METHODS, attributions
from tlpipe.explain.network import Explained
from tlpipe.metrics.scores import predicted
from tlpipe.pipeline.atomic import read_json, write_json

# Standard deviation of the noise, of 255: too faint for a person to see.
_FAINT = 2.0


def trust(subject: Subject) -> dict:
    """What the tests found; kept in the report's work folder.

    Returns:
        ``pictures``; ``methods``: by name ``randomised`` and ``stability`` (mean rank
        correlations), ``deletion`` and ``insertion`` (areas under the curves), ``gain`` and
        ``gain_z`` (over random order, both curves together), ``believed``, ``failed`` (reasons);
        ``random``: the areas of random order; ``curves``: mean curves.
    """
    path = subject.work / "trust.json"
    if not path.exists():
        write_json(path, _measure(subject))
    return read_json(path)


def believed(subject: Subject) -> dict[str, bool]:
    """Whether each method passed."""
    return {name: result["believed"] for name, result in trust(subject)["methods"].items()}


def _measure(subject: Subject) -> dict:
    limits = subject.settings.belief
    stream = np.random.default_rng(np.random.SeedSequence(subject.seed, spawn_key=(72,)))
    total = len(subject.rows(subject.part))
    rows = np.sort(stream.permutation(total)[: limits.pictures])
    pictures = np.asarray(subject.pictures(subject.part)[rows])
    classes = predicted(subject.logits(subject.part)[rows])
    network, methods = subject.explained, subject.methods
    noise = stream.normal(0, _FAINT, pictures.shape)
    noisy = np.clip(np.rint(pictures + noise), 0, 255).astype("uint8")
    blank = Explained(randomised(subject.classifier.model, subject.seed))

    maps = attributions(network, pictures, classes, methods)
    without = attributions(blank, pictures, classes, methods)
    shaken = attributions(network, noisy, classes, methods)
    orders = {**maps, "random": random_order(maps[methods[0]].shape, subject.seed)}
    curves: dict[str, np.ndarray] = {}
    whole = 2 * len(orders) * len(rows)
    with subject.progress("testing attributions") as advance:
        for name, order in orders.items():
            for insert in (False, True):
                done = len(curves) * len(rows)
                curves[f"{name} {'insertion' if insert else 'deletion'}"] = curve(
                    network,
                    pictures,
                    classes,
                    order,
                    steps=limits.steps,
                    insert=insert,
                    progress=lambda n, done=done: advance(done + n, whole),
                )
    areas = {name: np.trapezoid(c, dx=1 / limits.steps, axis=1) for name, c in curves.items()}
    chance = {kind: areas[f"random {kind}"] for kind in ("deletion", "insertion")}
    results = {}
    for name in methods:
        found = {kind: areas[f"{name} {kind}"] for kind in chance}
        # Picture by picture: how much sooner the class comes, and goes, than in random order.
        gain = (found["insertion"] - chance["insertion"]) - (found["deletion"] - chance["deletion"])
        result = {
            "randomised": float(similarity(maps[name], without[name]).mean()),
            "stability": float(similarity(maps[name], shaken[name]).mean()),
            **{kind: float(values.mean()) for kind, values in found.items()},
            "gain": float(gain.mean()),
            "gain_z": _z(gain),
        }
        result["failed"] = _failures(result, limits)
        result["believed"] = not result["failed"]
        results[name] = result
    return {
        "pictures": len(rows),
        "methods": results,
        "random": {kind: float(values.mean()) for kind, values in chance.items()},
        "curves": {name: c.mean(0).tolist() for name, c in curves.items()},
    }


def _z(values: np.ndarray) -> float:
    """The mean over its standard error; 0 where it can't be said."""
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return float(values.mean() / error) if error > 0 else 0.0


def _failures(result: dict, limits) -> list[str]:
    failed = []
    if result["randomised"] > limits.similarity:
        failed.append("it hardly changes when the weights are shuffled")
    if result["gain_z"] < limits.gain_z:
        failed.append("what it points at can't be told from random places")
    if result["stability"] < limits.stability:
        failed.append("faint noise moves it")
    return failed


def trust_plot(curves: Mapping[str, np.ndarray]) -> str:
    """Mean deletion and insertion curves side by side, as SVG; keys are ``METHOD KIND``."""

    def draw(figure: Figure) -> None:
        for axes, kind in zip(
            figure.subplots(1, 2, sharey=True), ("deletion", "insertion"), strict=True
        ):
            for key, values in curves.items():
                name, _, its_kind = key.rpartition(" ")
                if its_kind != kind:
                    continue
                x = np.linspace(0, 1, len(values))
                if name == "random":
                    axes.plot(x, values, "--", color=QUIET, label="random cells")
                else:
                    axes.plot(x, values, label=METHODS[name].title)
            axes.set(
                title=kind, xlabel=f"share of cells {'hidden' if kind == 'deletion' else 'shown'}"
            )
            axes.set_ylim(-0.02, 1.02)
            if kind == "deletion":
                axes.set_ylabel("probability of the class")
                axes.legend(frameon=False, fontsize=8)

    return svg(draw, (8, 3.2))
