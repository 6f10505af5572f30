"""`kill -9` at random moments of a cached run: does the next start end with the same bits?

    python benchmarks/kill.py

400 pictures of solar cells, both training steps, an activation cache that is empty at every start:
some of the kills hit the filling, some the reading. Moments lie between the first line of the run's
log, before which there are only imports, and its last. Each killed run is started again with the
same command; the weights of both steps are compared bit by bit with an undisturbed run's.
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
        "--head-epochs", "8", "--unfreeze-epochs", "8",
        "--cache", "4", "--set", "prepare.cache_dtype=float32",
        "--set", "head.patience=8", "--set", "unfreeze.patience=8",
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


def wait_for(text: str, process: subprocess.Popen, run: Path) -> None:
    """Until the run's log has a line that begins so, or the process ends."""
    while process.poll() is None and not any(line.startswith(text) for line in lines(run)):
        time.sleep(0.02)


def lines(run: Path) -> list[str]:
    """Of the run's log, without the time before each."""
    log = run / "log.txt"
    return [line[20:].strip() for line in log.read_text().splitlines()] if log.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    pictures.few_cells(work / "data", 200)
    process = start(work / "data", work / "whole")
    wait_for("", process, work / "whole" / "run")
    begin = time.perf_counter()
    wait_for("Done.", process, work / "whole" / "run")
    seconds = time.perf_counter() - begin
    if process.wait():
        raise SystemExit("the undisturbed run failed")
    expected = weights(work / "whole" / "run")
    random = np.random.default_rng(arguments.seed)
    rows: list[dict] = []
    while len(rows) < arguments.kills:
        moment = random.uniform(0, seconds)
        place = Path(tempfile.mkdtemp(dir=work))
        process = start(work / "data", place)
        wait_for("", process, place / "run")
        time.sleep(moment)
        if process.poll() is not None:
            continue  # it was faster this time, and there is nothing left to kill
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        row = {"moment_seconds": round(float(moment), 2), "last_line": lines(place / "run")[-1]}
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
