"""Pictures in, maps of scores out: what ``tlpipe predict --dense`` does."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlpipe.artifact.classifier import Classifier, find_pictures
from tlpipe.data.decode import DecodeError
from tlpipe.data.resize import resize
from tlpipe.dense.constant import constant
from tlpipe.dense.convolutions import to_convolutions
from tlpipe.dense.dilation import output_stride
from tlpipe.dense.drawing import draw
from tlpipe.dense.folding import folded
from tlpipe.dense.network import DenseNetwork
from tlpipe.errors import ConfigError, DataError
from tlpipe.pipeline.atomic import writing

_SCORES, _PICTURE = ".dense.npy", ".dense.png"
# A long thin picture becomes huge when its short side is enlarged.
_MAX_PIXELS = 16_000_000


@dataclass(frozen=True)
class DensePrediction:
    """What the model says of every window of one picture.

    Attributes:
        path: the file, as given.
        label: the class with the highest mean score; empty when the file could not be read.
        score: that mean.
        size: height and width in pixels to which the picture was brought.
        map_size: rows and columns of the map.
        highest: the highest score of ``label`` in the map.
        place: its row and column.
        box: left, top, right, bottom of its window, in the pixels of the picture as it was.
        files: the array and the picture that were written.
        error: why the file could not be read; empty when it could.
    """

    path: str
    label: str = ""
    score: float = 0.0
    size: tuple[int, int] = (0, 0)
    map_size: tuple[int, int] = (0, 0)
    highest: float = 0.0
    place: tuple[int, int] = (0, 0)
    box: tuple[int, int, int, int] = (0, 0, 0, 0)
    files: tuple[str, ...] = ()
    error: str = ""


class DenseClassifier:
    """A trained model that gives a map of scores for a larger picture.

    Args:
        classifier: what was trained.
        stride: pixels from one window to the next; the network's own when None.
        side: the short side in pixels to which pictures are brought; 12/7 of the model's input
            when None (384 for 224).

    Raises:
        BackboneError: the model has no such form, or no such stride.
        ConfigError: ``side`` is smaller than the model's input, or a model without classes.
    """

    def __init__(self, classifier: Classifier, stride: int | None = None, side: int | None = None):
        classifier.check_has_classes("A map of scores")
        window = classifier.metadata.size
        self.classifier = classifier
        self.side = window * 12 // 7 if side is None else side
        if self.side < window:
            raise ConfigError(
                f"A picture of {self.side} px is smaller than one window.",
                cause=f"the model's input is {window} px",
                todo=f"--size {window} or more",
            )
        network = to_convolutions(classifier.model)
        self.network: DenseNetwork = network if stride is None else output_stride(network, stride)
        self._model = constant(folded(self.network.model))

    def scores(self, picture: np.ndarray) -> np.ndarray:
        """Scores, float32 (rows, columns, classes), of a uint8 picture (h, w, channels).

        The picture has a size that ``network.fit`` gave.
        """
        return np.asarray(self._model.predict_on_batch(picture[None])[0], "float32")

    def predict(
        self,
        paths: Iterable[str | Path],
        folder: Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[DensePrediction]:
        """Writes ``NAME.dense.npy`` and ``NAME.dense.png`` into ``folder`` for each picture.

        NAME is the file's, below the folder that all share; with its ending where two would be
        the same without. What an earlier call drew is not taken for a picture.

        Args:
            paths: pictures, and folders of pictures.
            folder: where to write; made when it is not there.
            progress: takes (done, total).

        Returns:
            One prediction a file; what can't be read has its cause in ``error``.

        Raises:
            DataError: none of the paths leads to a picture.
        """
        named = [Path(path) for path in paths]
        files = {os.path.abspath(path): path for path in find_pictures(named)}.values()
        files = [f for f in files if f in named or not f.name.endswith((_SCORES, _PICTURE))]
        if not files:
            raise DataError("There are no pictures but maps that were drawn earlier.")
        found = []
        for file, name in zip(files, _names(files), strict=True):
            try:
                found.append(self._predict_file(file, folder / name))
            except DecodeError as error:
                found.append(DensePrediction(str(file), error=str(error)))
            if progress:
                progress(len(found), len(files))
        return found

    def _predict_file(self, file: Path, target: Path) -> DensePrediction:
        original = self.classifier.metadata.pixels.decode(_read(file))
        height, width = self.network.fit(*original.shape[:2], self.side)
        if height * width > _MAX_PIXELS:
            raise DecodeError(
                f"too large: with a short side of {self.side} px it has {width}x{height}, and the "
                f"limit is {_MAX_PIXELS / 1e6:.0f} million pixels (--size takes a smaller side)"
            )
        picture = resize(original, height, width)
        scores = self.scores(picture)
        means = scores.mean(axis=(0, 1))
        best = int(means.argmax())
        label = self.classifier.class_names[best]
        row, column = map(int, np.unravel_index(scores[..., best].argmax(), scores.shape[:2]))
        array, drawn = (target.with_name(target.name + end) for end in (_SCORES, _PICTURE))
        with writing(array) as temporary:
            np.save(temporary, scores)
        draw(
            drawn,
            picture,
            scores[..., best],
            first=self.network.window(0, 0),
            stride=self.network.stride,
            label=label,
            number=best,
        )
        top, left, bottom, right = self.network.window(row, column)
        down, across = original.shape[0] / height, original.shape[1] / width
        return DensePrediction(
            path=str(file),
            label=label,
            score=float(means[best]),
            size=(height, width),
            map_size=scores.shape[:2],
            highest=float(scores[row, column, best]),
            place=(row, column),
            box=(
                round(left * across),
                round(top * down),
                round(right * across),
                round(bottom * down),
            ),
            files=(str(array), str(drawn)),
        )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise DecodeError("there is no such file or folder") from None
    except IsADirectoryError:
        raise DecodeError("the folder holds no pictures") from None
    except OSError as error:
        raise DecodeError(error.strerror or str(error)) from error


def _names(files: list[Path]) -> list[str]:
    """A name for each file's results, unlike all others."""
    # Not `absolute`: a name with `..` in it would lead out of the folder of results.
    whole = [Path(os.path.abspath(file)) for file in files]
    shared = os.path.commonpath([file.parent for file in whole])
    below = [file.relative_to(shared) for file in whole]
    times = Counter(path.with_suffix("") for path in below)
    return [str(p if times[p.with_suffix("")] > 1 else p.with_suffix("")) for p in below]
