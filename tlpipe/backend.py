"""Imports the Keras backend without its start-up chatter."""

from __future__ import annotations

import logging
import os
import sys
import tempfile

from tlpipe.errors import ConfigError, one_line
from tlpipe.terminal import passing

# Keras' own name for how many processes train together.
_PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"


def several_processes() -> bool:
    """Whether this process is one of several that train one model."""
    return os.environ.get(_PROCESSES, "1").strip() not in ("", "0", "1")


def import_backend() -> None:
    """Imports keras (and with it TensorFlow or JAX); its messages appear only when that fails.

    One of several processes then waits for the others.

    TensorFlow's C++ side writes lines to file descriptor 2 before any log level is read.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Its Python side warns of retracing, which a person can do nothing about.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    kept = os.dup(2)
    # Python compiles a new install's libraries when they are first imported.
    with (
        passing("loading Keras (the first time: half a minute) ..."),
        tempfile.TemporaryFile() as chatter,
    ):
        os.dup2(chatter.fileno(), 2)
        try:
            import keras

            keras.backend.backend()
        except BaseException:
            chatter.seek(0)
            os.write(kept, chatter.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    if several_processes():
        _join()


def _join() -> None:
    """Meets the other processes, which the variables KERAS_DISTRIBUTION_* name."""
    import keras

    if keras.backend.backend() != "jax":
        raise ConfigError(
            f"Several processes train together with JAX only ({_PROCESSES} is set).",
            cause=f"the Keras backend is {keras.backend.backend()}",
            todo=f"set KERAS_BACKEND=jax, or unset {_PROCESSES}",
        )
    # Else Keras has all of them agree on a random one.
    keras.utils.set_random_seed(0)
    try:
        keras.distribution.initialize()
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(
            "The processes that were to train together did not meet.",
            cause=one_line(error),
            todo="give each the same KERAS_DISTRIBUTION_JOB_ADDRESSES (HOST:PORT of the first) and "
            f"{_PROCESSES}, and its own KERAS_DISTRIBUTION_PROCESS_ID, from 0",
        ) from error
