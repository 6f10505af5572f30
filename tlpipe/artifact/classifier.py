"""A trained model in use: pictures in, named classes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlpipe.artifact.model_file import load as load_model
from tlpipe.data.decode import DecodeError
from tlpipe.data.folder import EXTENSIONS, UNSUPPORTED
from tlpipe.data.resize import fit
from tlpipe.errors import DataError, RunError
from tlpipe.metrics.temperature import tempered
from tlpipe.training.fast import fast

# Also what can't be read: a file that is passed over in silence is missed too late.
PICTURES = EXTENSIONS | UNSUPPORTED


@dataclass(frozen=True)
class Prediction:
    """What the model says of one picture.

    Attributes:
        path: the file, as given.
        label: the most probable class; empty when the file could not be read.
        probabilities: a number for each class, in the order of ``Classifier.class_names``.
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

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the probabilities."""
        return self.metadata.class_names

    def predict_arrays(self, pictures: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (n, classes), of uint8 pictures (n, size, size, channels)."""
        return np.asarray(self._fast.predict_on_batch(pictures))

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
            calibrated: temperature scaling, fitted on the run's validation part, makes the
                probabilities as honest as it can; the predicted class never changes.
            progress: takes (done, total).

        Returns:
            One prediction a file; what is missing or can't be read has its cause in ``error``.

        Raises:
            DataError: none of the paths leads to a picture.
        """
        files = find_pictures([paths] if isinstance(paths, str | Path) else list(paths))
        found: list[Prediction] = []
        for start in range(0, len(files), batch_size):
            chunk = files[start : start + batch_size]
            found += self._predict_batch(chunk, batch_size, calibrated)
            if progress:
                progress(len(found), len(files))
        return found

    def _predict_batch(
        self, files: Sequence[Path], batch_size: int, calibrated: bool
    ) -> list[Prediction]:
        size, pixels = self.metadata.size, self.metadata.pixels
        # Padding to full batches keeps one compiled shape, and a picture's bits its own.
        pictures = np.zeros((batch_size, size, size, pixels.channels), "uint8")
        errors = [""] * len(files)
        for i, file in enumerate(files):
            try:
                pictures[i] = fit(pixels.decode(file.read_bytes()), size, self.metadata.resize)
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
            else Prediction(
                str(file), self.class_names[int(row.argmax())], tuple(float(p) for p in row)
            )
            for file, row, error in zip(files, rows, errors, strict=False)
        ]


def find_pictures(paths: Iterable[str | Path]) -> list[Path]:
    """The files named, and the pictures in the folders named.

    A path that leads nowhere, and a folder without pictures, stand for themselves, so that one of
    them does not cost the answers for the others. Raises DataError when there is nothing else.
    """
    paths = [Path(path) for path in paths]
    found = [file for path in paths for file in _pictures_at(path)]
    if not any(file.is_file() for file in found):
        what = f"'{paths[0]}': {_why_not(paths[0])}." if paths else "No picture was named."
        raise DataError(
            what, todo=f"give pictures ({', '.join(sorted(EXTENSIONS))}) or folders of them"
        )
    return found


def _pictures_at(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    from natsort import natsorted

    files = [f for f in path.rglob("*") if f.suffix.lower() in PICTURES and f.is_file()]
    yield from natsorted(files, key=str) or [path]


def _why_not(path: Path) -> str:
    if path.is_dir():
        return "the folder holds no pictures"
    return "" if path.exists() else "there is no such file or folder"


def load(run: str | Path) -> Classifier:
    """The classifier of a run folder, or of a ``model.keras`` on its own. Raises RunError."""
    path = Path(run)
    if not path.exists():
        raise RunError(f"There is no run folder '{run}'.", todo="check the path; runs lie in runs/")
    return Classifier(path / "model.keras" if path.is_dir() else path)
