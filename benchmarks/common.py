"""What every benchmark shares: the machine, the versions, and how results are written."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = [
    "tlpipe",
    "keras",
    "keras-tuner",
    "tf-keras-vis",
    "tensorflow",
    "jax",
    "torch",
    "torchvision",
    "timm",
    "ray",
    "albumentations",
    "opencv-python-headless",
    "numpy",
]


def machine() -> dict:
    """The processor, the cores this process may use, memory, and system."""
    cpuinfo, said = Path("/proc/cpuinfo"), {}
    if cpuinfo.exists():
        pairs = (line.partition(":") for line in cpuinfo.read_text().splitlines())
        said = {key.strip(): value.strip() for key, _, value in pairs}
    # A virtual machine's name may be no more than "AMD EPYC": family and model tell which.
    kind = {key: said[key] for key in ("cpu family", "model") if key in said}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": said.get("model name", platform.processor()),
        **kind,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_gb": round(memory / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions() -> dict:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def in_a_process(script: Path, *arguments: str) -> dict:
    """Runs ``script`` with ``arguments`` in its own process; returns the JSON of its last line."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return {**result, "process_seconds": round(time.perf_counter() - start, 2)}


def median(rows: list[dict], key: str) -> float:
    return statistics.median(row[key] for row in rows)


def summary(rows: dict[str, list[dict]], key: str, reference: str) -> dict[str, dict]:
    """The median of ``key`` for each contestant, and its ratio to that of ``reference``."""
    medians = {who: median(found, key) for who, found in rows.items()}
    base = medians.get(reference)
    return {
        who: {"median": value, "ratio": value / base if base else None}
        for who, value in medians.items()
    }


def table(rows: dict[str, dict]) -> str:
    """A Markdown table: a line for each entry, a column for each key of any."""
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [[str(name), *(_cell(row.get(key)) for key in columns)] for name, row in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


class Clock:
    """What each epoch's steps took, without what lies between two epochs (validation, saving).

    ``step`` and ``close`` take and ignore whatever a training loop calls them with.

    Attributes:
        seconds: an epoch, on the wall.
        cpu: an epoch, of this process and all its threads.
    """

    def __init__(self):
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self._begin = self._end = self._now()

    def step(self, *_: object, **__: object) -> None:
        """A step is done."""
        self._end = self._now()

    def close(self, *_: object, **__: object) -> None:
        """The epoch is over, and the next begins now."""
        self.seconds.append(self._end[0] - self._begin[0])
        self.cpu.append(self._end[1] - self._begin[1])
        self._begin = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def save(name: str, result: dict) -> Path:
    path = HERE / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    text = {"machine": machine(), "versions": versions(), **result}
    path.write_text(json.dumps(text, indent=2) + "\n")
    return path
