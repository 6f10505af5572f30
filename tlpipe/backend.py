"""Imports the Keras backend without its start-up chatter."""

from __future__ import annotations

import logging
import os
import sys
import tempfile


def import_backend() -> None:
    """Imports keras (and with it TensorFlow or JAX); its messages appear only when that fails.

    TensorFlow's C++ side writes lines to file descriptor 2 before any log level is read.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Its Python side warns of retracing, which a person can do nothing about.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
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
