"""What can be written: formats, and the ways in which some of them are made smaller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from tlpipe.errors import ConfigError, nearest


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes:
        module: where ``write`` and ``opened`` are.
        quantized: ways to make it smaller.
        needs: modules that must be installed, those of the runtime included.
        extra: tlpipe's extra that installs them; empty where the install itself does.
        tensorflow: whether Keras writes it through TensorFlow.
    """

    module: str
    quantized: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    extra: str = ""
    tensorflow: bool = True

    def load(self) -> ModuleType:
        """The module."""
        return import_module(f"tlpipe.export.{self.module}")


FORMATS = {
    "savedmodel": Format("saved_model", needs=("tensorflow",)),
    "onnx": Format(
        "onnx_file", ("float16",), ("tensorflow", "onnx", "tf2onnx", "onnxruntime"), "onnx"
    ),
    "litert": Format("litert", ("dynamic", "int8"), ("tensorflow", "ai_edge_litert"), "litert"),
    "keras": Format("keras_file", tensorflow=False),
}
WAYS = tuple(way for format in FORMATS.values() for way in format.quantized)
PLAIN = "none"


@dataclass(frozen=True)
class Variant:
    """A format, and how it is made smaller (None: not at all)."""

    format: str
    quantize: str | None = None

    @property
    def name(self) -> str:
        """Of its folder: ``litert-int8``."""
        return f"{self.format}-{self.quantize}" if self.quantize else self.format


def variants(formats: Iterable[str], quantize: Iterable[str] = ()) -> list[Variant]:
    """What to write: each format in each of the ways that it has, or else as it is.

    Args:
        formats: keys of ``FORMATS``.
        quantize: of ``WAYS``, or ``none`` for the model as it is beside them.

    Raises:
        ConfigError: an unknown name, or a way that none of the formats has.
    """
    formats, quantize = list(dict.fromkeys(formats)), list(dict.fromkeys(quantize))
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"There is no format '{name}'.", todo=nearest(name, FORMATS))
    for way in quantize:
        if way not in (*WAYS, PLAIN):
            raise ConfigError(f"There is no way to quantize '{way}'.", todo=nearest(way, WAYS))
        having = [name for name, format in FORMATS.items() if way in format.quantized]
        if way != PLAIN and not set(having) & set(formats):
            raise ConfigError(
                f"'{way}' is not for {' and '.join(formats)}.", todo=f"write --to {having[0]}"
            )
    found = []
    for name in formats:
        own = [w for w in quantize if w in FORMATS[name].quantized]
        if not own or PLAIN in quantize:
            found.append(Variant(name))
        found += [Variant(name, way) for way in own]
    return found


def check_installed(wanted: Iterable[Variant]) -> None:
    """Raises ConfigError for a format whose packages, or whose backend, are not there."""
    import keras

    backend, wanted = keras.backend.backend(), list(wanted)
    for variant in wanted:
        format = FORMATS[variant.format]
        if format.tensorflow and backend != "tensorflow":
            raise ConfigError(
                f"'{variant.format}' can't be written under KERAS_BACKEND={backend}.",
                cause="Keras writes it through TensorFlow",
                todo="give the same command KERAS_BACKEND=tensorflow (pip install tensorflow): it "
                "reads the same model.keras; or export --to keras",
            )
    missing = {
        name: FORMATS[variant.format].extra
        for variant in wanted
        for name in FORMATS[variant.format].needs
        if find_spec(name) is None
    }
    if missing:
        extras = ",".join(dict.fromkeys(extra for extra in missing.values() if extra))
        packages = " ".join(name for name, extra in missing.items() if not extra)
        raise ConfigError(
            f"Not installed, and needed to write this: {', '.join(missing)}.",
            todo=f"pip install -e '.[{extras}]' in the clone (else pip install 'tlpipe[{extras}]')"
            if extras
            else f"pip install {packages}",
        )


def dropped(formats: Iterable[str], quantize: Iterable[str]) -> list[str]:
    """Sentences on what ``variants`` leaves out: ways that a format does not have."""
    return [
        f"{name} has no {way}: it is written as it is"
        for name in dict.fromkeys(formats)
        for way in dict.fromkeys(quantize)
        if way != PLAIN and way not in FORMATS[name].quantized
    ]
