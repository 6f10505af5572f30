"""Transfer learning for images that a working engineer can trust.

import tlpipe
run = tlpipe.finetune("photos/", seed=1)
tlpipe.load(run.folder).predict("picture.jpg")
"""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["finetune", "load"]

if TYPE_CHECKING:
    from tlpipe.api import finetune, load

# TensorFlow leaves oneDNN off where the processor lacks AVX-512 VNNI, as AMD's up to Zen 3 do; a
# forward pass of EfficientNet-Lite0 takes 2.2 times as long without it there. Said here, because
# TensorFlow reads it once, and whatever of tlpipe imports it first comes after this line.
if platform.machine().lower() in ("x86_64", "amd64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def __dir__() -> list[str]:
    return [*__all__]


def __getattr__(name: str) -> Any:
    # Keras takes seconds to import: it waits until somebody trains or predicts.
    if name in __all__:
        from tlpipe.backend import import_backend

        import_backend()
        from tlpipe import api

        return getattr(api, name)
    raise AttributeError(f"module 'tlpipe' has no attribute '{name}'")
