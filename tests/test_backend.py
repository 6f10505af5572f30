"""What tlpipe asks of TensorFlow before anybody imports it."""

import os
import platform
import subprocess
import sys

import pytest

NAME = "TF_ENABLE_ONEDNN_OPTS"


def asked(**given) -> str:
    kept = {key: value for key, value in os.environ.items() if key != NAME}
    code = f"import tlpipe, os; print(os.environ.get('{NAME}'))"
    command = [sys.executable, "-c", code]
    return subprocess.check_output(command, env={**kept, **given}, text=True).strip()


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="on other processors TensorFlow's own choice is left alone",
)
def test_onednn_is_on_unless_somebody_said_otherwise():
    assert asked() == "1"
    assert asked(**{NAME: "0"}) == "0"
