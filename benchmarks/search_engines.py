"""One search on one process, on a local pool and on Ray: the same trials, and in what time?

    python benchmarks/search_engines.py        # needs `pip install 'tlpipe[ray]'`

The search of ``search_kill.py``: 120 pictures of solar cells at 64 px, six trials. ``one`` runs one
trial at a time, ``pool`` two, ``ray`` on a cluster of two nodes of one core each, started on this
machine; ``ray, a node lost`` has the second node removed while the first trials run. Seconds are
those of the whole command; on one machine of two cores Ray can't be faster than the pool.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common
import pictures
import search_kill


def timed(work: Path, name: str, *flags: str, meanwhile: Callable[[Path], None] | None = None):
    """Seconds of the command, and its trials."""
    begin = time.perf_counter()
    process = search_kill.start(work, work / name, *flags)
    if meanwhile is not None:
        meanwhile(work / name)
    if process.wait():
        raise SystemExit(f"the search on '{name}' failed")
    return time.perf_counter() - begin, search_kill.trials(work / name)


def on_ray(work: Path, name: str, *, lose: bool):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)

    def remove(folder: Path) -> None:
        while not (folder / "trials" / "0001" / "log.txt").exists():
            time.sleep(0.1)
        cluster.remove_node(second, allow_graceful=False)

    try:
        flags = ("--engine", "ray", "--address", cluster.address)
        return timed(work, name, *flags, meanwhile=remove if lose else None)
    finally:
        cluster.shutdown()


def main() -> None:
    work = Path(tempfile.mkdtemp())
    pictures.few_cells(work / "data", 60)
    (work / "search.yaml").write_text(json.dumps(search_kill.SEARCH))
    found = {
        "one": timed(work, "one", "--workers", "1"),
        "pool": timed(work, "pool", "--workers", "2"),
        "ray": on_ray(work, "ray", lose=False),
        "ray, a node lost": on_ray(work, "lost", lose=True),
    }
    base, expected = found["one"]
    rows = {
        who: {"seconds": seconds, "times_faster": base / seconds, "same_trials": trials == expected}
        for who, (seconds, trials) in found.items()
    }
    print(common.table(rows))
    print(common.save("search_engines", {"trials": len(expected), "rows": rows}))
    if not all(row["same_trials"] for row in rows.values()):
        raise SystemExit("the engines do not agree")


if __name__ == "__main__":
    main()
