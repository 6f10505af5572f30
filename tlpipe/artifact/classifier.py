"""A trained model in use: pictures in, named classes out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from tlpipe.artifact.model_file import load as load_model
from tlpipe.data.decode import DecodeError
from tlpipe.data.folder import EXTENSIONS, UNSUPPORTED, folder_meant, walk
from tlpipe.data.resize import fit
from tlpipe.errors import ConfigError, DataError, RunError
from tlpipe.metrics.temperature import tempered
from tlpipe.pipeline.run import finish_command
from tlpipe.targets.registry import target_named
from tlpipe.training.fast import fast
from tlpipe.training.forward import forward

# Also what can't be read: a file that is passed over in silence is missed too late.
PICTURES = EXTENSIONS | UNSUPPORTED


@dataclass(frozen=True)
class Prediction:
    """What the model says of one picture.

    Attributes:
        path: the file, as given.
        label: the most probable class, the labels given, joined by ``|``, or the number as text;
            empty when the file could not be read.
        probabilities: one for each class or label, in the order of ``Classifier.class_names``; of a
            number the number itself.
        error: why the file could not be read; empty when it could.
    """

    path: str
    label: str
    probabilities: tuple[float, ...]
    error: str = ""


class Classifier:
    """A saved model with its class names and its way of making a picture an input."""

    def __init__(self, model_path: Path):
        self.model, self.metadata = load_model(model_path)
        self.model.trainable = False
        self._fast = fast(self.model)
        self.target = target_named(
            self.metadata.target, self.metadata.class_names, self.metadata.thresholds
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the answers."""
        return self.metadata.class_names

    def check_has_classes(self, what: str) -> None:
        """Raises ConfigError, naming ``what`` can't be had, unless pictures have one class each."""
        kind = self.metadata.target
        if kind != "class":
            given = "gives a picture several labels" if kind == "labels" else "predicts a number"
            raise ConfigError(
                f"{what} is for models that choose one class, and this one {given}.",
                todo="use `tlpipe predict` and `tlpipe evaluate`",
            )

    def predict_arrays(self, pictures: np.ndarray) -> np.ndarray:
        """Answers, float32 (n, outputs), of uint8 pictures (n, size, size, channels)."""
        return forward(self._fast, pictures)[0]

    def predict(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        batch_size: int = 32,
        calibrated: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Prediction]:
        """Predictions for files and for the pictures in folders, in natural order.

        Args:
            paths: a file, a folder, or several of them.
            batch_size: pictures in memory at once.
            calibrated: of classes alone: temperature scaling, fitted on the run's validation part,
                makes the probabilities as honest as it can; the predicted class never changes.
            progress: takes (done, total).

        Returns:
            One prediction a file; what is missing or can't be read has its cause in ``error``.

        Raises:
            ConfigError: ``calibrated`` of what is not one class a picture.
            DataError: none of the paths leads to a picture.
        """
        files = find_pictures([paths] if isinstance(paths, str | Path) else list(paths))
        how = {"batch_size": batch_size, "calibrated": calibrated, "progress": progress}
        return list(self.stream(files, range(len(files)), **how))

    def stream(
        self,
        files: Sequence[Path],
        part: range,
        *,
        batch_size: int = 32,
        calibrated: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Prediction]:
        """Predictions for a part of ``files``, one by one, a batch in memory at a time.

        A picture has the place in its batch that its place in ``files`` gives it, whatever the
        part: so the same bits come out of all files at once and of one part after another.

        Args:
            files: what :func:`find_pictures` found.
            part: contiguous positions in ``files``.
            batch_size, calibrated: see :meth:`predict`.
            progress: takes (done, total), of the part.
        """
        if calibrated:
            self.check_has_classes("A calibrated probability")
        start = part.start
        while start < part.stop:
            stop = min(part.stop, (start // batch_size + 1) * batch_size)
            first = start % batch_size
            yield from self._predict_batch(files[start:stop], first, batch_size, calibrated)
            start = stop
            if progress:
                progress(start - part.start, len(part))

    def _predict_batch(
        self, files: Sequence[Path], first: int, batch_size: int, calibrated: bool
    ) -> list[Prediction]:
        """The files' predictions; in the batch they stand from place ``first`` on."""
        size, pixels = self.metadata.size, self.metadata.pixels
        # Padding to full batches keeps one compiled shape, and a picture's bits its own.
        pictures = np.zeros((batch_size, size, size, pixels.channels), "uint8")
        errors = [""] * len(files)
        for i, file in enumerate(files):
            try:
                picture = fit(pixels.decode(file.read_bytes()), size, self.metadata.resize)
                pictures[first + i] = picture
            except DecodeError as error:
                errors[i] = str(error)
            except OSError as error:
                errors[i] = _why_not(file) or error.strerror or str(error)
        rows = self.predict_arrays(pictures)
        if calibrated:
            rows = tempered(rows, self.metadata.temperature)
        return [
            Prediction(str(file), "", (), error)
            if error
            else Prediction(str(file), self.target.say(row), tuple(float(p) for p in row))
            for file, row, error in zip(files, rows[first:], errors, strict=False)
        ]


def find_pictures(paths: Iterable[str | Traversable]) -> list[Traversable]:
    """The files named, and the pictures in the folders named.

    A path that leads nowhere, and a folder without pictures, stand for themselves, so that one of
    them does not cost the answers for the others. Raises DataError when there is nothing else.
    """
    # Not only files: a run may have been made of a data set of TFDS.
    paths = [Path(path) if isinstance(path, str) else path for path in paths]
    found = [file for path in paths for file in _pictures_at(path)]
    if not any(file.is_file() for file in found):
        what = f"'{paths[0]}': {_why_not(paths[0])}." if paths else "No picture was named."
        raise DataError(
            what, todo=f"give pictures ({', '.join(sorted(EXTENSIONS))}) or folders of them"
        )
    return found


def _pictures_at(path: Traversable) -> Iterator[Traversable]:
    if not path.is_dir():
        yield path
        return
    from natsort import natsorted

    # As in training links are followed, and hidden files are no pictures.
    below = walk(path, closed=True)
    files = [file for file in below if file.suffix.lower() in PICTURES or file.is_dir()]
    # Sorted twice, so that `1.jpg` and `01.jpg`, which are naturally equal, have one order too.
    yield from natsorted(sorted(files), key=str) or [path]


def _why_not(path: Path) -> str:
    if path.is_dir():
        readable = not isinstance(path, Path) or os.access(path, os.R_OK | os.X_OK)
        return "the folder holds no pictures" if readable else "no permission to read the folder"
    return "" if path.exists() else "there is no such file or folder"


def load(run: str | Path) -> Classifier:
    """The classifier of a run folder, or of a ``model.keras`` on its own. Raises RunError."""
    return Classifier(model_path(run))


def model_path(run: str | Path) -> Path:
    """The file that :func:`load` reads. Raises RunError."""
    path = Path(run)
    if path.is_dir():
        path = path / "model.keras"
    if not path.exists() or path.suffix.lower() in PICTURES:
        raise no_run(run)
    return path


def no_run(place: str | Path) -> RunError:
    """Why ``place`` can't be used as a finished run, and what to do: it depends on what it is."""
    path = Path(place)
    if not path.exists():
        return RunError(
            f"There is no run folder '{place}'.",
            todo=folder_meant(path) or "check the path; runs lie in runs/",
        )
    if (path / "config.yaml").exists():
        return RunError(
            f"The run '{place}' is not finished: it has no model.keras.",
            todo=f"wait for it if it is at work, or finish it with `{finish_command(path)}`",
        )
    files = path.rglob("*") if path.is_dir() else (path,)
    if any(file.suffix.lower() in PICTURES for file in files):
        kind = "a folder of pictures" if path.is_dir() else "a picture"
        return RunError(
            f"'{place}' is {kind}, and no run folder.",
            todo="name the run first: `tlpipe predict RUN PICTURES`;"
            " `tlpipe finetune --data PHOTOS` makes one",
        )
    return RunError(
        f"'{place}' is not a run folder.",
        cause="it has no config.yaml" if path.is_dir() else "it is a file",
        todo="give the folder that `tlpipe finetune` named in its last line",
    )
