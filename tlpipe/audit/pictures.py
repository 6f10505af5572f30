"""``tlpipe explain``: panels for pictures of the user's choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tlpipe.artifact.classifier import Classifier, find_pictures
from tlpipe.audit.readable import read
from tlpipe.errors import ConfigError, nearest
from tlpipe.explain.methods import METHODS, attributions, check_methods
from tlpipe.explain.network import BATCH, Explained
from tlpipe.explain.panel import panel
from tlpipe.metrics.scores import softmax
from tlpipe.pipeline.atomic import writing

_TOP = 3


@dataclass(frozen=True)
class Explanation:
    """What became of one file: the panel written, or why it could not be read."""

    path: str
    panel: Path | None
    top: tuple[tuple[str, float], ...] = ()
    error: str = ""


def explain(
    classifier: Classifier,
    paths: Iterable[str | Path],
    out: Path,
    *,
    methods: Sequence[str],
    against: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Explanation]:
    """Writes one PNG a picture: the picture, the methods, and why this class and not that.

    Args:
        classifier: the model.
        paths: pictures and folders of pictures.
        out: folder of the panels.
        methods: keys of ``METHODS``.
        against: the class of the contrast; the runner-up when None.
        progress: takes (done, total).

    Raises:
        ConfigError: no such method or class, or a model without classes.
        DataError: no picture was found.
    """
    check_methods(methods)
    classifier.check_has_classes("An explanation")
    names = classifier.class_names
    if against is not None and against not in names:
        raise ConfigError(
            f"The class '{against}' is unknown to the model.", todo=nearest(against, names)
        )
    files = find_pictures(paths)
    network = Explained(classifier.model)
    done: list[Explanation] = []
    for start in range(0, len(files), BATCH):
        done += _explain_batch(classifier, network, files, start, out, methods, against)
        if progress:
            progress(len(done), len(files))
    return done


def _explain_batch(classifier, network, files, start, out, methods, against) -> list[Explanation]:
    about, names = classifier.metadata, classifier.class_names
    chunk = files[start : start + BATCH]
    found, errors = read(about, chunk)
    answers = {}
    if found:
        pictures = np.stack(list(found.values()))
        p = softmax(network.logits(pictures))
        ranked = np.argsort(-p, axis=1, kind="stable")
        best, other = ranked[:, 0], ranked[:, 1].copy()
        if against is not None:
            # Where it is the answer itself, the runner-up stays.
            wanted = names.index(against)
            other[best != wanted] = wanted
        maps = attributions(network, pictures, best, methods)
        contrast = attributions(network, pictures, best, ["gradcam"], against=other)["gradcam"]
        for i, number in enumerate(found):
            top = tuple((names[c], float(p[i, c])) for c in ranked[i, :_TOP])
            shown = {METHODS[name].title: maps[name][i] for name in methods}
            shown[f"{names[best[i]]}, not {names[other[i]]}"] = contrast[i]
            answers[number] = top, panel(pictures[i], shown, _lines(chunk[number], top))
    rows = []
    for number, file in enumerate(chunk):
        if number in errors:
            rows.append(Explanation(str(file), None, error=errors[number]))
            continue
        top, image = answers[number]
        # The number keeps files of one name in different folders apart.
        target = out / f"{start + number + 1:04d}_{file.stem}.png"
        with writing(target) as temporary:
            Image.fromarray(image).save(temporary)
        rows.append(Explanation(str(file), target, top))
    return rows


def _lines(file: Path, top: Sequence[tuple[str, float]]) -> list[str]:
    return [file.name, "   ".join(f"{name} {p:.1%}" for name, p in top)]
