"""The shards of a long call of ``predict`` on a Ray cluster: a task each, then put together.

The model, the pictures and the folder of the results must be at the same place on all machines.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from tlpipe.artifact.prediction_file import Tally
from tlpipe.artifact.shards import Job, merge
from tlpipe.errors import RunError, one_line
from tlpipe.pipeline.ray_cluster import connect
from tlpipe.pipeline.shard import Shard

_RETRIES = 3


def predict_on_ray(
    job: Job, of: int, address: str | None, progress: Callable[[int, int], None] | None = None
) -> Tally:
    """Has ``of`` shards made, and merges them: the bytes that one process would write.

    Finished shards are kept; those of a machine that is lost are made elsewhere.

    Args:
        job: what to predict.
        of: how many shards.
        address: of a running cluster, or None to start one here.
        progress: takes (shards done, of).

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster.
        RunError: a shard failed; the others are kept.
    """
    ray = connect(address)
    try:
        task = ray.remote(_in_process).options(
            num_cpus=1, scheduling_strategy="SPREAD", max_retries=_RETRIES
        )
        shards = [Shard(number, of) for number in range(1, of + 1)]
        waiting = {task.remote(job.words(shard), os.getcwd()): shard for shard in shards}
        failed: dict[Shard, str] = {}
        while waiting:
            [done], _ = ray.wait(list(waiting), num_returns=1)
            shard = waiting.pop(done)
            try:
                why = ray.get(done)
            except ray.exceptions.RayError as error:
                why = f"Ray gave it up: {one_line(error)}"
            if why:
                failed[shard] = why
            if progress:
                progress(of - len(waiting), of)
    finally:
        ray.shutdown()
    if failed:
        first, why = next(iter(failed.items()))
        raise RunError(
            f"{len(failed)} of {of} shards of '{job.out}' failed.",
            cause=f"{first}: {why}",
            todo="mend that and give the same command again: finished shards are kept",
        )
    return merge(job, of)


def _in_process(words: list[str], place: str) -> str:
    """Runs ``tlpipe`` with these words in the folder ``place``; says what failed, or nothing."""
    # -P: a folder named tlpipe in `place` is not the package.
    command = [sys.executable, "-P", "-m", "tlpipe", *words]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip()[-500:] or f"exit {done.returncode}"
