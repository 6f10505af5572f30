"""What is wrong with this installation or this machine, and the command that mends it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from tlpipe.backend import import_backend
from tlpipe.data.machine import usable_cores, usable_memory
from tlpipe.errors import TlpipeError
from tlpipe.words import counted

_GIB = 2**30
_BACKENDS = ("tensorflow", "jax", "torch")
# What TensorFlow alone needs; tlpipe on JAX trains, evaluates and predicts without them.
_TENSORFLOW_ONLY = {"tensorflow", "tensorflow-datasets", "tf-keras-vis", "tensorboard"}
_SHOWN = ("keras", "tensorflow", "jax", "albumentations", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it was.
        ok: True, False, or None when it is no fault but worth knowing.
        finding: what was found, with its figures.
        mend: what to do about it; empty when there is nothing to do.
    """

    name: str
    ok: bool | None
    finding: str
    mend: str = ""


def examine() -> list[Check]:
    """Looks at the installation and the machine; raises nothing for what it finds.

    Imports Keras, and with it the backend that is configured and no other.
    """
    backend, usable = _backend()
    checks = [_python(), _packages(backend), usable]
    if usable.ok:
        checks += _with_keras(backend)
    return [*checks, _opencv(), _disk(Path.cwd()), _machine()]


def _python() -> Check:
    from packaging.specifiers import SpecifierSet

    finding = f"{platform.python_version()} at {sys.executable}"
    asked = metadata.metadata("tlpipe")["Requires-Python"] if _version("tlpipe") else None
    if asked and not SpecifierSet(asked).contains(platform.python_version(), prereleases=True):
        finding += f"; tlpipe asks for {asked}"
        return Check("Python", False, finding, "python3.11 -m venv .venv, and install there")
    return Check("Python", True, finding)


def _packages(backend: str) -> Check:
    """Versions, and every requirement of tlpipe that the environment does not meet."""
    versions = [f"{name} {version}" for name in _SHOWN if (version := _version(name))]
    if _version("tlpipe") is None:
        finding = f"tlpipe itself is not installed; found {', '.join(versions)}"
        return Check("packages", None, finding, "pip install -e .")
    wrong = list(_unmet(backend))
    if wrong:
        names = " ".join(f"'{requirement}'" for requirement, _ in wrong)
        finding = "; ".join(f"{requirement}: {found}" for requirement, found in wrong)
        return Check("packages", False, finding, f"pip install {names}")
    return Check("packages", True, ", ".join(versions))


def _unmet(backend: str) -> Iterator[tuple[str, str]]:
    from packaging.requirements import Requirement

    for text in metadata.requires("tlpipe") or []:
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        found = _version(wanted.name)
        if found is None and backend != "tensorflow" and wanted.name in _TENSORFLOW_ONLY:
            continue
        if found is None or not wanted.specifier.contains(found, prereleases=True):
            yield f"{wanted.name}{wanted.specifier}", found or "not installed"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _backend() -> tuple[str, Check]:
    """The backend Keras is going to use, found without importing it, and whether it can."""
    name, source = _configured_backend()
    finding = f"{name} ({source})"
    if name not in _BACKENDS:
        return name, Check(
            "Keras backend",
            False,
            f"{finding} is none of {', '.join(_BACKENDS)}",
            "export KERAS_BACKEND=tensorflow",
        )
    if find_spec(name) is None:
        return name, Check(
            "Keras backend",
            False,
            f"{finding} is not installed",
            f"pip install {name}, or choose another: export KERAS_BACKEND="
            + ("jax" if name == "tensorflow" else "tensorflow"),
        )
    return name, Check("Keras backend", True, f"{finding} {_version(name) or ''}".strip())


def _configured_backend() -> tuple[str, str]:
    if name := os.environ.get("KERAS_BACKEND"):
        return name, "from KERAS_BACKEND"
    file = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))["backend"], f"from {file}"
    except (OSError, ValueError, KeyError, TypeError):
        # Keras too takes its default when the file is missing or unreadable.
        return "tensorflow", "the default"


def _with_keras(backend: str) -> Iterator[Check]:
    try:
        import_backend()
        from tlpipe.training import device
    except TlpipeError:
        raise
    except Exception as error:
        # Whatever a broken installation raises, the person is to read it here.
        mend = f"pip install --force-reinstall keras {backend}"
        yield Check("Keras", False, f"import failed: {_first_line(error)}", mend)
        return
    try:
        seen, precision = device.gpus(), device.resolve("auto")
    except RuntimeError as error:
        finding = f"{backend} can't list its devices: {_first_line(error)}"
        yield Check("device", False, finding, "export CUDA_VISIBLE_DEVICES=-1, to use the CPU")
    else:
        yield _device(backend, seen)
        yield Check("precision", True, f"auto takes {precision.policy}: {precision.reason}")
    yield _weights()


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _device(backend: str, seen: list[str]) -> Check:
    if seen:
        return Check("device", True, f"GPU: {', '.join(seen)}")
    there = _nvidia_gpus()
    if not there:
        return Check("device", None, "CPU; this machine has no NVIDIA GPU that answers")
    finding = f"{backend} sees none of this machine's GPUs: {'; '.join(there)}"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        finding += f"; CUDA_VISIBLE_DEVICES='{hidden}' hides them"
        return Check("device", False, finding, "unset CUDA_VISIBLE_DEVICES")
    mends = {
        "tensorflow": "pip install 'tensorflow[and-cuda]'",
        "jax": "pip install 'jax[cuda12]'",
        "torch": "pip install --force-reinstall torch",
    }
    return Check("device", False, finding, mends[backend])


def _nvidia_gpus() -> list[str]:
    """One line a GPU as the driver tells it; empty without a driver."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def _weights() -> Check:
    from tlpipe.backbones import registry
    from tlpipe.backbones.lite_weights import verified_bundle

    bundle = registry.get("efficientnet_lite0").bundle
    try:
        path = verified_bundle(bundle)
    except TlpipeError as error:
        cause = f"{error.what} ({error.cause})" if error.cause else error.what
        return Check("weights", False, cause, error.todo or "")
    size = path.stat().st_size / 1e6
    return Check(
        "weights",
        True,
        f"efficientnet_lite0 with its 1000-class top, {size:.1f} MB, SHA-256 right",
    )


def _opencv() -> Check:
    mend = "pip install --force-reinstall --no-deps opencv-python-headless"
    try:
        import cv2
        import numpy as np

        gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
        same = np.array_equal(cv2.imdecode(cv2.imencode(".png", gray)[1], 0), gray)
    except Exception as error:
        # Most often a missing system library, named in the message.
        return Check("OpenCV", False, _first_line(error), mend)
    if not same:
        return Check("OpenCV", False, f"{cv2.__version__} does not read back what it wrote", mend)
    others = [
        name for name in ("opencv-python", "opencv-contrib-python") if _version(name) is not None
    ]
    if others:
        return Check(
            "OpenCV",
            None,
            f"{cv2.__version__}; {' and '.join(others)} overwrites the headless one",
            f"pip uninstall -y {' '.join(others)} && {mend}",
        )
    return Check("OpenCV", True, f"{cv2.__version__} reads and writes")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free / _GIB
    finding = f"{free:.1f} GiB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Check("disk", False, f"no permission to write in {folder}", "cd ~")
    if free < 1:
        return Check("disk", False, finding, "free at least 1 GiB; see what is large: du -sh *")
    if free < 5:
        return Check("disk", None, finding + ", little for a cache", "see what is large: du -sh *")
    return Check("disk", True, finding)


def _machine() -> Check:
    cores, memory = usable_cores(), usable_memory()
    finding = f"{counted(cores, 'core')}, {memory / _GIB:.1f} GiB memory"
    if memory < 3 * _GIB:
        return Check(
            "machine", None, finding + ", little for training", "tlpipe finetune --batch-size 8"
        )
    return Check("machine", True, finding)
