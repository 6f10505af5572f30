"""The compute capability of the GPU that trains, asked of the backend that will use it.

The driver's own tool lists all GPUs of the machine, in another order than CUDA's.
"""

from __future__ import annotations

import keras


def compute_capability() -> float | None:
    """The first GPU's, such as 8.6; None where there is none, or none of NVIDIA's."""
    ask = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    try:
        return float(ask())
    except (AttributeError, KeyError, IndexError, ValueError, RuntimeError):
        return None


def _tensorflow() -> str:
    import tensorflow as tf

    first = tf.config.list_physical_devices("GPU")[0]
    major, minor = tf.config.experimental.get_device_details(first)["compute_capability"]
    return f"{major}.{minor}"


def _jax() -> str:
    import jax

    return jax.local_devices(backend="gpu")[0].compute_capability


def _torch() -> str:
    import torch

    major, minor = torch.cuda.get_device_capability(0)
    return f"{major}.{minor}"
