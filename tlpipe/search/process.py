"""A trial in a process of its own: watched, ended when it takes too much, tried again when fair."""

from __future__ import annotations

import os
import signal
import site
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import psutil

import tlpipe
from tlpipe.data.machine import usable_memory
from tlpipe.pipeline.atomic import read_json, write_json
from tlpipe.search.trial import Result, Spec

# Killed from outside, a trial is run again; one that is killed every time is the cause itself.
ATTEMPTS = 3
SHARE = 0.85
SMALLEST_BATCH = 4
POLL = 0.25
STEPS = ("head", "unfreeze")
# Both backends take all the memory of a GPU at once, and leave none to the trials beside them.
AS_NEEDED = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


class Stopped(Exception):
    """The search ends, and the trial with it."""


def run_in_process(
    spec: Spec,
    batch_sizes: dict[str, int],
    memory: float | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Runs a trial to its end, whatever that is.

    When memory runs out, it is run again at half the batch size; when it is killed from outside, it
    is run again and goes on from its checkpoints.

    Args:
        spec: the trial.
        batch_sizes: of the trial, by step.
        memory: bytes it may take; None for 85 % of what this process may use.
        stop: ends the process when set.

    Raises:
        Stopped: ``stop`` was set.
    """
    attempts, notes, sizes = 0, [], dict(batch_sizes)
    memory = memory or SHARE * usable_memory()
    take_as_needed()
    started = time.monotonic()
    while True:
        result = _once(spec, memory, stop or threading.Event())
        result = replace(
            result,
            notes=[*notes, *result.notes],
            assignments=spec.assignments,
            seconds=round(time.monotonic() - started, 2),
        )
        if result.status == "memory":
            if min(sizes.values()) // 2 < SMALLEST_BATCH:
                return replace(result, status="failed")
            sizes = {step: size // 2 for step, size in sizes.items()}
            halved = [f"{step}.batch_size={size}" for step, size in sizes.items()]
            spec = replace(spec, assignments=with_batch(spec.assignments, halved))
            notes.append(f"{result.reason}: batch size halved to {min(sizes.values())}")
        elif result.status == "killed":
            attempts += 1
            if attempts == ATTEMPTS:
                reason = f"{result.reason}, {ATTEMPTS} times"
                return replace(result, status="failed", reason=reason)
            notes.append(f"{result.reason}: run again")
        else:
            return result


def take_as_needed() -> None:
    """This process and its children take of a GPU what they need, and not all of it."""
    for name, value in AS_NEEDED.items():
        os.environ.setdefault(name, value)


def with_batch(assignments: Sequence[str], others: Sequence[str]) -> list[str]:
    """``assignments`` with the batch sizes of ``others``, where those have any."""
    sizes = tuple(f"{step}.batch_size=" for step in STEPS)
    found = [text for text in others if text.startswith(sizes)]
    if not found:
        return list(assignments)
    return [*(text for text in assignments if not text.startswith(sizes)), *found]


def _once(spec: Spec, memory: float, stop: threading.Event) -> Result:
    folder = Path(spec.folder)
    path = folder.with_name(f"{folder.name}.json")
    answer = path.with_suffix(".result.json")
    answer.unlink(missing_ok=True)
    write_json(path, asdict(spec))
    log = folder.with_name(f"{folder.name}.log")
    with log.open("ab") as output:
        # The pipe tells the child when this process is gone.
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "tlpipe.search.trial", str(path)],
            env=_with_this_tlpipe(),
            cwd=spec.place,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        taken, over = 0, False
        try:
            while child.poll() is None:
                if stop.is_set():
                    raise Stopped
                taken = max(taken, _resident(child.pid))
                if taken > memory:
                    over = True
                    child.kill()
                stop.wait(POLL)
        finally:
            child.kill()
            child.wait()
            child.stdin.close()
    if over:
        reason = f"it took more than {memory / 1e9:.1f} GB of memory"
        return Result("memory", reason=reason, memory_mb=round(taken / 1e6))
    if answer.exists():
        return replace(Result(**read_json(answer)), memory_mb=round(taken / 1e6))
    result = Result(*_post_mortem(child.returncode, log), memory_mb=round(taken / 1e6))
    if child.returncode == -signal.SIGKILL and taken > 0.7 * memory:
        # The system's own memory guard was faster.
        return replace(result, status="memory", reason="the system killed it for its memory")
    return result


def _with_this_tlpipe() -> dict[str, str]:
    """The environment in which a child finds this tlpipe, whatever folder it starts in."""
    here = str(Path(tlpipe.__file__).parents[1])
    if here in site.getsitepackages():
        return dict(os.environ)
    paths = [here, os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _resident(pid: int) -> int:
    try:
        found = psutil.Process(pid).memory_info()
        # Pages of the activation cache belong to all, and the system takes them back when it must.
        return found.rss - getattr(found, "shared", 0)
    except psutil.Error:
        # It has just ended.
        return 0


def _post_mortem(code: int, log: Path) -> tuple[str, None, None, str]:
    if code < 0:
        return "killed", None, None, f"its process was killed (signal {-code})"
    lines = log.read_text(errors="replace").strip().splitlines()
    last = f": {lines[-1][:200]}" if lines else ""
    return "failed", None, None, f"its process ended with exit code {code}{last}"
