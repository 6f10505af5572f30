"""``model.keras``: a plain Keras file that also carries what is needed to use it rightly."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from pathlib import Path
from typing import Literal

import keras
from pydantic import BaseModel, ConfigDict, ValidationError

# Keras can only load the layers it has been told about.
import tlpipe.backbones.classic.objects
import tlpipe.heads.pooling  # noqa: F401
from tlpipe.data.pixels import Pixels
from tlpipe.errors import RunError, one_line
from tlpipe.pipeline.atomic import writing

MEMBER = "tlpipe.json"


class Metadata(BaseModel):
    """What travels inside the file beside the network.

    Attributes:
        target: what the answers are: ``class`` or ``labels``, probabilities; ``number``, one.
        class_names: names in the order of the answers: classes, labels, or the number's one.
        size: side of the square input, pixels.
        resize: how a picture that is not square is made square (crop, pad or squash).
        backbone: name of the backbone.
        weights: what the backbone's weights were.
        split: SHA-256 of the manifest the model was trained on.
        kept: ``head`` or ``unfrozen``.
        channels, low, high: how files become pixels: see ``tlpipe.data.pixels``.
        seed: of the run.
        versions: of the libraries that made it.
        temperature: what logits are divided by for honest probabilities, fitted on validation.
        thresholds: of labels: the probability from which on each is given, fitted on validation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_names: tuple[str, ...]
    size: int
    resize: str
    backbone: str
    weights: str
    split: str
    kept: str
    seed: int
    versions: dict[str, str]
    temperature: float = 1.0
    target: Literal["class", "labels", "number"] = "class"
    thresholds: tuple[float, ...] = ()
    channels: int = 3
    low: float = 0.0
    high: float = 255.0

    @property
    def probability_names(self) -> tuple[str, ...]:
        """What the probabilities are of; empty where the answer is a number."""
        return () if self.target == "number" else self.class_names

    @property
    def pixels(self) -> Pixels:
        """How files become pixels."""
        return Pixels(self.channels, self.low, self.high)


def save(model: keras.Model, path: Path, metadata: Metadata) -> None:
    """Writes the model with ``metadata`` as one more member of the Keras zip file.

    Keras ignores the member, so `keras.saving.load_model` reads the file, and without tlpipe where
    there are no ``own_layers``.
    """
    with writing(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MEMBER, metadata.model_dump_json(indent=2))


def own_layers(path: Path) -> list[str]:
    """Names of the layers and functions in the file that Keras only knows from tlpipe, sorted."""
    with zipfile.ZipFile(path) as archive:
        return sorted(set(re.findall(r'"tlpipe>(\w+)"', archive.read("config.json").decode())))


def read_metadata(path: Path) -> Metadata:
    """The metadata alone, without building the network. Raises RunError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return Metadata(**json.loads(archive.read(MEMBER)))
    except FileNotFoundError:
        raise RunError(
            f"There is no model at '{path}'.",
            cause="the run has not got that far, or the path is wrong",
            todo="check the path, or finish the run with the command that began it",
        ) from None
    except (zipfile.BadZipFile, KeyError, ValidationError) as error:
        raise RunError(
            f"'{path}' was not made by tlpipe.",
            cause=one_line(error),
            todo="give a run folder, or the model.keras inside one",
        ) from None


def load(path: Path) -> tuple[keras.Model, Metadata]:
    """The network, uint8 (b, size, size, channels) to answers (b, outputs), and its metadata."""
    metadata = read_metadata(path)
    with warnings.catch_warnings():
        # Keras warns that the optimizer is not there; it is left out on purpose.
        warnings.simplefilter("ignore", UserWarning)
        return keras.saving.load_model(path, compile=False, safe_mode=True), metadata
