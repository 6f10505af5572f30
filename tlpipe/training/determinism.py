"""One seed for everything, and kernels that give the same bits twice."""

from __future__ import annotations

import keras


def make_deterministic(seed: int) -> None:
    """Seeds Python, NumPy and the Keras backend; asks TensorFlow for deterministic kernels.

    This is global state of the process: stages call it first thing. JAX is deterministic on a CPU
    without being asked; on a GPU set ``XLA_FLAGS=--xla_gpu_deterministic_ops=true``.
    """
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
