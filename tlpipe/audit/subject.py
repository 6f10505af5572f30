"""A finished run as the audit's sections see it: everything read or computed once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlpipe.artifact.classifier import Classifier
from tlpipe.audit.given.columns import Columns, read_columns
from tlpipe.audit.given.objects import Objects, read_objects
from tlpipe.config.audit import Audit
from tlpipe.data.loader import batches
from tlpipe.data.manifest import Manifest
from tlpipe.data.sample import Sampler
from tlpipe.explain.methods import DEFAULT
from tlpipe.explain.network import Explained
from tlpipe.metrics.scores import softmax
from tlpipe.pipeline.atomic import writing
from tlpipe.pipeline.run import Advance, Run
from tlpipe.training.fast import fast
from tlpipe.training.forward import forward

BATCH = 32


class Subject:
    """A model, its pictures, and what the one says of the others.

    Pictures and outputs of a part are computed once and kept in ``work``, so that a report that
    was stopped goes on where it was.

    Args:
        run: the finished run.
        classifier: its model.
        manifest: its split.
        settings: thresholds and limits.
        work: a folder of the report's own for what costs time; its owner empties it when the
            model, the split or the limits are not those it was made for.
        about: the model card's facts (see ``tlpipe.audit.card``), and ``settings`` of the stages by
            name, ``history`` a row an epoch, and ``kept``, step and epoch of the weights.
        methods: attribution methods, keys of ``tlpipe.explain.methods.METHODS``.
    """

    def __init__(
        self,
        run: Run,
        classifier: Classifier,
        manifest: Manifest,
        settings: Audit,
        work: Path,
        about: dict[str, Any],
        methods: tuple[str, ...] = DEFAULT,
    ):
        self.run, self.classifier, self.manifest = run, classifier, manifest
        self.settings, self.work, self.seed = settings, work, run.seed
        self.about, self.methods = about, methods
        self._open: dict[str, np.ndarray] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.classifier.class_names

    @cached_property
    def part(self) -> str:
        """What is audited: ``test``, or ``val`` where there is no test part."""
        return "test" if len(self.manifest.indices("test")) else "val"

    def rows(self, part: str) -> np.ndarray:
        """int64 (n,): the manifest's rows of a part; above the limit a choice, class by class."""
        rows = self.manifest.indices(part)
        limit = self.settings.training if part == "train" else self.settings.limit
        if len(rows) <= limit:
            return rows
        stream = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(71,)))
        # A class keeps its share: sorted by class after shuffling, every (n / limit)th is taken.
        shuffled = stream.permutation(rows)
        by_class = shuffled[np.argsort(self.manifest.labels[shuffled], kind="stable")]
        return np.sort(by_class[(np.arange(limit) * len(rows)) // limit])

    def labels(self, part: str) -> np.ndarray:
        """int64 (n,): positions in ``names``."""
        place = {name: i for i, name in enumerate(self.names)}
        return np.array([place[self.manifest.pictures[i].label] for i in self.rows(part)], int)

    def paths(self, part: str) -> list[str]:
        """Paths relative to the data folder."""
        return [self.manifest.pictures[i].path for i in self.rows(part)]

    def pictures(self, part: str) -> np.ndarray:
        """uint8 (n, size, size, channels), memory-mapped: the pictures as the network sees them."""
        about = self.classifier.metadata
        rows = self.rows(part)
        shape = (len(rows), about.size, about.size, about.pixels.channels)

        def fill(out: np.ndarray, advance: Advance) -> None:
            sampler = Sampler(self.manifest, about.size, about.resize, pixels=about.pixels)
            done = 0
            for found, _ in batches(sampler, rows, view=None, batch_size=BATCH):
                out[done : done + len(found)] = found
                done += len(found)
                advance(done, len(rows))

        return self._kept(f"pictures_{part}", f"reading {part} pictures", shape, "uint8", fill)

    def logits(self, part: str) -> np.ndarray:
        """float32 (n, k): class scores before softmax."""
        return self._outputs(part)[:, : len(self.names)]

    def features(self, part: str) -> np.ndarray:
        """float32 (n, d): what the head's pooling makes of the last feature map."""
        return self._outputs(part)[:, len(self.names) :]

    def probabilities(self, part: str) -> np.ndarray:
        """float64 (n, k), uncalibrated."""
        return softmax(self.logits(part))

    def logits_of(self, pictures: np.ndarray) -> np.ndarray:
        """float32 (n, k) of uint8 pictures (n, size, size, channels), any number of them."""
        return self._run(pictures)[:, : len(self.names)]

    @property
    def temperature(self) -> float:
        """What `predict --calibrated` divides logits by, fitted on the whole validation part."""
        return self.classifier.metadata.temperature

    @cached_property
    def objects(self) -> Objects | None:
        """Where the object lies in pictures of ``part``; None when it was not given."""
        given, about = self.settings.objects, self.classifier.metadata
        if given is None:
            return None
        rows = self.rows(self.part)
        return read_objects(Path(given), self.manifest, rows, about.size, about.resize)

    @cached_property
    def columns(self) -> Columns | None:
        """What the user's table says of the manifest's pictures; None when none was given."""
        given = self.settings.table
        return None if given is None else read_columns(Path(given), self.manifest)

    @cached_property
    def explained(self) -> Explained:
        """The model, for attributions."""
        return Explained(self.classifier.model)

    @contextmanager
    def progress(self, label: str) -> Iterator[Advance]:
        """A progress bar; the yielded function takes (done, total)."""
        with self.run.progress(label) as advance:
            yield advance

    @cached_property
    def _network(self) -> keras.Model:
        """Image to logits and pooled features, side by side in one array."""
        model = self.classifier.model
        pooled = keras.layers.Flatten(dtype="float32")(model.get_layer("pool").output)
        logits = model.get_layer("probabilities").input
        both = keras.layers.Concatenate(dtype="float32")([logits, pooled])
        return fast(keras.Model(model.input, both))

    def _run(self, pictures: np.ndarray, advance: Advance | None = None) -> np.ndarray:
        found = []
        for start in range(0, len(pictures), BATCH):
            chunk = np.asarray(pictures[start : start + BATCH])
            # Full batches keep one compiled shape, and a picture's bits its own.
            full = np.zeros((BATCH, *chunk.shape[1:]), chunk.dtype)
            full[: len(chunk)] = chunk
            found.append(forward(self._network, full)[0][: len(chunk)])
            if advance:
                advance(start + len(chunk), len(pictures))
        return np.concatenate(found)

    def _outputs(self, part: str) -> np.ndarray:
        pictures = self.pictures(part)
        width = self._network.output_shape[1]

        def fill(out: np.ndarray, advance: Advance) -> None:
            out[:] = self._run(pictures, advance)

        shape = (len(pictures), width)
        return self._kept(f"outputs_{part}", f"predicting {part}", shape, "float32", fill)

    def _kept(self, name: str, label: str, shape: tuple, dtype: str, fill) -> np.ndarray:
        if name not in self._open:
            path = self.work / f"{name}.npy"
            if not path.exists():
                with writing(path) as temporary, self.progress(label) as advance:
                    out = np.lib.format.open_memmap(temporary, "w+", dtype, shape)
                    fill(out, advance)
                    out.flush()
            self._open[name] = np.load(path, mmap_mode="r")
        return self._open[name]
