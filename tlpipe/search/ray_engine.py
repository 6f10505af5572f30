"""Trials on as many machines as a Ray cluster has: the same trials, each a task of its own.

A task watches one process, as a worker of this machine would, so that a trial that dies takes
nothing with it. The search folder, the pictures and tlpipe must be at the same place everywhere.
"""

from __future__ import annotations

from concurrent.futures import Future

from tlpipe.data.machine import usable_cores, usable_memory
from tlpipe.errors import one_line
from tlpipe.pipeline.ray_cluster import connect
from tlpipe.search.process import SHARE, run_in_process
from tlpipe.search.trial import Result, Spec


class Ray:
    """Ray tasks, spread over the machines; the task of a machine that is lost runs elsewhere.

    Args:
        address: of a running cluster (``auto``, ``HOST:6379``), or None to start one here.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at ``address``.
    """

    shares_cache = False

    def __init__(self, address: str | None):
        self._ray = ray = connect(address)
        task = ray.remote(_with_its_share)
        self._task = task.options(
            num_cpus=1,
            # Who does not ask for a GPU is shown none of them, or all, as Ray's version has it.
            num_gpus=1 if ray.cluster_resources().get("GPU") else 0,
            scheduling_strategy="SPREAD",
            max_retries=3,
            retry_exceptions=False,
        )

    def submit(self, spec: Spec, batch_sizes: dict[str, int], memory: float | None) -> Future:
        """Starts a trial as soon as a machine has room; one that Ray gives up has failed."""
        settled: Future = Future()

        def settle(done: Future) -> None:
            error = done.exception()
            if error is None:
                settled.set_result(done.result())
            elif isinstance(error, self._ray.exceptions.RayError):
                reason = f"Ray gave it up: {one_line(error)}"
                settled.set_result(Result("failed", reason=reason, assignments=spec.assignments))
            else:
                settled.set_exception(error)

        self._task.remote(spec, batch_sizes, memory).future().add_done_callback(settle)
        return settled

    def close(self) -> None:
        """Ends what still runs, and leaves the cluster."""
        self._ray.shutdown()


def _with_its_share(spec: Spec, batch_sizes: dict[str, int], memory: float | None) -> Result:
    """Of the machine that the task came to: as many trials run there as it has cores."""
    return run_in_process(spec, batch_sizes, memory or SHARE * usable_memory() / usable_cores())
