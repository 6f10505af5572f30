"""`kill -9` at random moments of a cached run: does the next start end with the same bits?

    python benchmarks/kill.py

120 pictures of solar cells at 64 px, both training steps, an activation cache that is empty at
every start: some of the kills hit the filling, some the reading. Moments count from the first line
of the run's log: before it there are only imports. Each killed run is started again with the same
command; the weights of both steps are compared bit by bit with an undisturbed run's.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common
import numpy as np
import pictures

WEIGHTS = ("stages/head/weights.npz", "stages/unfreeze/weights.npz")


def start(data: Path, work: Path) -> subprocess.Popen:
    command = [
        sys.executable, "-m", "tlpipe", "finetune", "--data", data, "--out", work / "run",
        "--resolution", "64", "--batch-size", "16",
        "--head-epochs", "12", "--unfreeze-epochs", "12",
        "--cache", "3", "--set", "prepare.cache_dtype=float32",
        "--set", "head.patience=12", "--set", "unfreeze.patience=12",
    ]  # fmt: skip
    return subprocess.Popen(
        list(map(str, command)),
        env={**os.environ, "TLPIPE_CACHE": str(work / "cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def weights(run: Path) -> list[np.ndarray]:
    return [array for name in WEIGHTS for array in np.load(run / name).values()]


def wait_for_the_log(process: subprocess.Popen, run: Path) -> None:
    while not (run / "log.txt").exists() and process.poll() is None:
        time.sleep(0.02)


def last_line(run: Path) -> str:
    lines = (run / "log.txt").read_text().splitlines()
    return lines[-1][20:].strip() if lines else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    pictures.few_cells(work / "data", 60)
    process = start(work / "data", work / "whole")
    wait_for_the_log(process, work / "whole" / "run")
    begin = time.perf_counter()
    if process.wait():
        raise SystemExit("the undisturbed run failed")
    seconds = time.perf_counter() - begin
    expected = weights(work / "whole" / "run")
    random = np.random.default_rng(arguments.seed)
    rows: list[dict] = []
    while len(rows) < arguments.kills:
        moment = random.uniform(0, 0.95) * seconds
        place = Path(tempfile.mkdtemp(dir=work))
        process = start(work / "data", place)
        wait_for_the_log(process, place / "run")
        time.sleep(moment)
        if process.poll() is not None:
            continue  # it was faster this time, and there is nothing left to kill
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        row = {"moment_seconds": round(float(moment), 2), "last_line": last_line(place / "run")}
        if start(work / "data", place).wait():
            raise SystemExit(f"the run killed after {moment:.1f} s did not resume: see {place}")
        same = [np.array_equal(a, b) for a, b in zip(expected, weights(place / "run"), strict=True)]
        rows.append({**row, "bit_identical": all(same)})
        print(rows[-1], flush=True)
    print(common.save("kill", {"undisturbed_seconds": round(seconds, 1), "kills": rows}))
    if not all(row["bit_identical"] for row in rows):
        raise SystemExit("a resumed run ended with other weights")


if __name__ == "__main__":
    main()
