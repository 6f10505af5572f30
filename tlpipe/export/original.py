"""The model as it is exported, and what is written down beside it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import keras

from tlpipe.artifact.classifier import Classifier
from tlpipe.artifact.model_file import Metadata
from tlpipe.errors import ConfigError
from tlpipe.export.variants import FORMATS, Variant

# Of a module the distribution that it comes with, where the names differ.
_DISTRIBUTIONS = {"ai_edge_litert": "ai-edge-litert"}


@dataclass(frozen=True)
class Original:
    """A model to export.

    Attributes:
        model: uint8 (n, size, size, channels) to answers, float32 (n, outputs).
        metadata: as in ``model.keras``; with the temperature baked in, its own is 1.
        baked: the temperature that was baked in, or None.
    """

    model: keras.Model
    metadata: Metadata
    baked: float | None = None

    @property
    def own_layers(self) -> list[str]:
        """Kinds of layers that plain Keras does not know."""
        kinds = {type(layer) for layer in self.model.layers}
        return sorted(k.__name__ for k in kinds if k.__module__.split(".")[0] == "tlpipe")

    def about(self, variant: Variant, calibration: int = 0) -> dict[str, Any]:
        """What ``about.json`` says; ``calibration`` counts the pictures that int8 was fitted on."""
        m = self.metadata
        outputs = "number" if m.target == "number" else "probabilities"
        return {
            "format": variant.name,
            "input": f"uint8 (n, {m.size}, {m.size}, {m.channels}), 0 to 255"
            + (", RGB" if m.channels == 3 else ""),
            "output": f"float32 (n, {self.model.output_shape[-1]}), {outputs}",
            **m.model_dump(mode="json"),
            "calibrated": self.baked is not None,
            "baked_temperature": self.baked,
            "calibration_pictures": calibration,
            "own_layers": self.own_layers,
            "written_by": _versions(variant),
        }


def original_of(classifier: Classifier, *, calibrated: bool = False) -> Original:
    """The classifier's model, with its temperature baked in when ``calibrated``.

    Raises:
        ConfigError: calibration is asked for of a model that does not choose one class.
    """
    model, metadata = classifier.model, classifier.metadata
    if not calibrated:
        return Original(model, metadata)
    if metadata.target != "class":
        raise ConfigError(
            "--calibrated is for models that choose one class.",
            cause=f"this one's target is '{metadata.target}'",
            todo="leave out --calibrated",
        )
    softmax = model.layers[-1]
    cooler = keras.layers.Rescaling(1 / metadata.temperature, name="temperature", dtype="float32")
    softened = type(softmax).from_config(softmax.get_config())(cooler(softmax.input))
    model = keras.Model(model.input, softened, name=model.name)
    return Original(model, metadata.model_copy(update={"temperature": 1.0}), metadata.temperature)


def _versions(variant: Variant) -> dict[str, str]:
    found = {}
    for module in ("tlpipe", "keras", *FORMATS[variant.format].needs):
        name = _DISTRIBUTIONS.get(module, module)
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            # A TensorFlow for another device has another name.
            continue
    return found
