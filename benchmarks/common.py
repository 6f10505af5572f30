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
    "tensorflow",
    "jax",
    "torch",
    "albumentations",
    "opencv-python-headless",
    "numpy",
]


def machine() -> dict:
    """The processor, the cores this process may use, memory, and system."""
    name = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": name,
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


def save(name: str, result: dict) -> Path:
    path = HERE / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    text = {"machine": machine(), "versions": versions(), **result}
    path.write_text(json.dumps(text, indent=2) + "\n")
    return path
