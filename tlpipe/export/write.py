"""One export: written, checked, and only then given its name."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tlpipe.config.settings import Export
from tlpipe.errors import ExportError, TlpipeError, one_line
from tlpipe.export.check import Measured, Trial, judge, measure
from tlpipe.export.original import Original
from tlpipe.export.quiet import quietly
from tlpipe.export.variants import FORMATS, Variant
from tlpipe.export.whole_folder import writing_folder
from tlpipe.export.written import write_words
from tlpipe.pipeline.atomic import write_json

CHECK, EXAMPLE = "check.json", "use.py"
_EXAMPLES = Path(__file__).parent / "examples"


def write_export(
    variant: Variant,
    original: Original,
    trial: Trial,
    settings: Export,
    folder: Path,
    calibration: np.ndarray | None = None,
) -> Measured:
    """Writes the export into ``folder``, which appears only when the export agrees with the model.

    Args:
        variant: format and quantization.
        original: the model.
        trial: the pictures it is checked on.
        settings: how far it may be off.
        folder: the export's own; an older export there is replaced.
        calibration: uint8 (n, size, size, channels), what int8 takes its ranges from.

    Raises:
        ExportError: the model can't be written in this format, or the export disagrees.
        ConfigError: something else stands where ``folder`` should be.
    """
    module = FORMATS[variant.format].load()
    used = calibration if variant.quantize == "int8" else None
    about = original.about(variant, 0 if used is None else len(used))
    with writing_folder(folder) as temporary:
        write_words(temporary, about)
        shutil.copy(_EXAMPLES / f"{variant.format}.py", temporary / EXAMPLE)
        try:
            with quietly():
                module.write(original, temporary, about, variant.quantize, used)
                run = module.opened(temporary)
                found = measure(variant, run, trial, temporary / module.MODEL)
        except TlpipeError:
            raise
        except Exception as error:  # converters and runtimes raise anything
            raise ExportError(
                f"The model can't be exported as '{variant.name}'.",
                cause=one_line(error),
                todo="choose another format with --to; --debug shows the converter's own words",
            ) from error
        judge(variant, found, settings)
        write_json(temporary / CHECK, asdict(found))
    return found
