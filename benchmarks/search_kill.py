"""`kill -9` of a search and of its workers: does the same command end with the same trials?

    python benchmarks/search_kill.py

120 pictures of solar cells at 64 px, six trials of a random search, two at a time. The driver is
killed at five random moments of five searches, the first of them while the first trials run; in
each, a worker is killed as well after the restart. The trials are compared with those of a search
that nobody disturbed: values, statuses and scores, to the last digit written.
"""

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common
import pictures
import psutil

SEARCH = {
    "search": {"tuner": "random", "trials": 6, "workers": 2, "leaders": 1, "confirm": 1},
    "recipe": {
        "backbone": {"resolution": 64},
        "head": {"epochs": 4, "batch_size": 16},
        "unfreeze": {"epochs": 4, "batch_size": 16},
        "evaluate": {"resamples": 200},
    },
    "space": {
        "unfreeze.blocks": {"choice": [1, 2]},
        "head.learning_rate": {"low": 0.001, "high": 0.02, "log": True},
    },
}
COMPARED = ("trial", "status", "score", "head_score", *SEARCH["space"])


def start(work: Path, folder: Path, *flags: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "tlpipe", "search", "--data", work / "data"]
    command += ["--space", work / "search.yaml", "--out", folder, *flags]
    return subprocess.Popen(
        list(map(str, command)),
        env={**os.environ, "TLPIPE_CACHE": str(folder) + "-cache"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )


def trials(folder: Path) -> list[dict]:
    with (folder / "trials.csv").open(encoding="utf-8") as file:
        return [{key: row[key] for key in COMPARED} for row in csv.DictReader(file)]


def finished(folder: Path) -> int:
    journal = folder / "search.jsonl"
    return journal.read_text().count('"event": "end"') if journal.exists() else 0


def kill_a_worker(driver: subprocess.Popen) -> bool:
    """Kills the first trial process of the driver that shows up; False when there was none."""
    while driver.poll() is None:
        for child in psutil.Process(driver.pid).children():
            if "tlpipe.search.trial" in child.cmdline():
                time.sleep(5)
                if child.is_running() and driver.poll() is None:
                    child.kill()
                    return True
        time.sleep(0.2)
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    pictures.few_cells(work / "data", 60)
    (work / "search.yaml").write_text(json.dumps(SEARCH))
    begin = time.perf_counter()
    if start(work, work / "whole").wait():
        raise SystemExit("the undisturbed search failed")
    seconds = time.perf_counter() - begin
    expected = trials(work / "whole")
    draw = random.Random(arguments.seed)
    rows: list[dict] = []
    while len(rows) < arguments.kills:
        folder = Path(tempfile.mkdtemp(dir=work)) / "search"
        process = start(work, folder)
        if not rows:
            # The trials that keras-tuner alone would forget.
            while not (folder / "trials").exists():
                time.sleep(0.1)
            time.sleep(6)
        else:
            time.sleep(draw.uniform(0.2, 0.9) * seconds)
        if process.poll() is not None:
            continue  # it was faster this time, and there is nothing left to kill
        process.send_signal(signal.SIGKILL)
        process.wait()
        row = {"finished_trials": finished(folder)}
        process = start(work, folder)
        row["worker_killed"] = kill_a_worker(process)
        if process.wait():
            raise SystemExit(f"the search did not go on: see {folder}")
        rows.append({**row, "same_trials": trials(folder) == expected})
        print(rows[-1], flush=True)
    path = common.save("search_kill", {"undisturbed_seconds": round(seconds, 1), "kills": rows})
    print(path)
    if not all(row["same_trials"] for row in rows):
        raise SystemExit("a search that was killed ended with other trials")


if __name__ == "__main__":
    main()
