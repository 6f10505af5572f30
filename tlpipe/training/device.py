"""Which device trains, in which precision, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass

import keras

from tlpipe.data.machine import bfloat16_unit
from tlpipe.errors import ConfigError
from tlpipe.training.capability import compute_capability


@dataclass(frozen=True)
class Precision:
    """A Keras dtype policy and the reason it was chosen."""

    policy: str
    reason: str


def gpus() -> list[str]:
    """Names of the GPUs the Keras backend can use, such as ``gpu:0``."""
    if keras.backend.backend() == "torch":
        import torch

        return [f"gpu:{i}" for i in range(torch.cuda.device_count())]
    try:
        return list(keras.distribution.list_devices("gpu"))
    except RuntimeError:
        # JAX raises where it finds no GPU platform at all.
        return []


def describe_device() -> str:
    """One phrase for the run's first lines, such as ``CPU`` or ``GPU gpu:0``."""
    found = gpus()
    return f"GPU {', '.join(found)}" if found else "CPU"


def _quick_bfloat16() -> str | None:
    # Without oneDNN, which a person may have switched off, TensorFlow makes no use of such units.
    one_dnn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").lower() not in ("0", "false")
    usable = keras.backend.backend() == "tensorflow" and one_dnn
    return bfloat16_unit() if usable else None


def resolve(requested: str) -> Precision:
    """The dtype policy for ``auto``, ``float32``, ``bfloat16`` or ``float16``.

    ``auto`` is bfloat16 on a GPU of compute capability 8.0 or more, and float16 with loss scaling
    on one of 7.0 or more (Micikevicius et al. 2018). On a CPU it is float32, but under TensorFlow
    bfloat16 where the processor is quicker with it: see ``benchmarks/precision.py``.

    Raises:
        ConfigError: an unknown precision, or float16 without a GPU.
    """
    policies = {
        "float32": "float32",
        "bfloat16": "mixed_bfloat16",
        "float16": "mixed_float16",
    }
    if requested == "float16" and not gpus():
        raise ConfigError(
            "The precision float16 needs a GPU.",
            cause="a CPU computes it many times more slowly than float32",
            todo="leave --precision away, or choose float32 or bfloat16",
        )
    if requested in policies:
        return Precision(policies[requested], "as asked")
    if requested != "auto":
        raise ConfigError(
            f"Unknown precision '{requested}'.", todo="choose auto, float32, bfloat16 or float16"
        )
    if not gpus():
        if unit := _quick_bfloat16():
            return Precision("mixed_bfloat16", f"no GPU, but a processor with {unit}")
        return Precision("float32", "no GPU")
    capability = compute_capability()
    if capability is not None and capability >= 8.0:
        return Precision("mixed_bfloat16", f"GPU of compute capability {capability:g}")
    if capability is not None and capability >= 7.0:
        return Precision("mixed_float16", f"GPU of compute capability {capability:g}")
    return Precision("float32", "the GPU has no fast half precision")
