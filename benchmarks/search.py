"""Seconds to a searched recipe: keras-tuner over the plain loop against `tlpipe search`.

    python benchmarks/search.py                           # food, 20 trials: about two hours
    python benchmarks/search.py --data solar-cells        # most of a day
    python benchmarks/search.py --data solar-cells --peer 3          # three of the peer's trials
    python benchmarks/search.py --data solar-cells --peer 3 --add    # the next three

Both try the same values: keras-tuner's RandomSearch with the same seed over the same space. The
peer's trial is the loop of the Keras guide (see ``time_to_accuracy.py``), run by a
``keras_tuner.Tuner``; both start from tlpipe's split and score the validation part by AUC. tlpipe
starts with an empty activation cache; all of its command is counted: the start of its processes,
scan, split, the winner's evaluation, and its stopping of trials that can't catch up. Of the peer
only the loop is counted, trial by trial, not the start of its process, so that its trials may be
measured one at a time; the results file is written after each. ``ratio`` compares the trials that
the peer has run so far, at their mean, with tlpipe's whole search.

``noise`` is how far apart two scores may be by chance: the recipe that won and the one that the
search started from are run again with three other seeds (``--confirm 3``), which is not counted.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import common
import time_to_accuracy

SPACE = {
    "unfreeze.blocks": {"choice": [1, 2, 3]},
    "head.learning_rate": {"low": 0.0005, "high": 0.01, "log": True},
    "unfreeze.learning_rate": {"low": 0.00001, "high": 0.0005, "log": True},
    "head.dropout": {"low": 0.0, "high": 0.5, "step": 0.1},
}


def tuner(root: Path, manifest: Path, epochs: int, trials: int, number: int) -> dict:
    """Trial ``number`` of keras-tuner's search; those before it are only proposed."""
    import keras_tuner

    from tlpipe.config.search import SearchFile, read_search
    from tlpipe.search.space import hyperparameters

    found = {}

    class Plain(keras_tuner.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            # What a random search proposes does not hang on the scores before.
            if int(trial.trial_id) != number:
                return {"score": 0.0}
            values = trial.hyperparameters
            started = time.perf_counter()
            result = time_to_accuracy.guide(
                root, manifest, epochs, SearchFile().seed,
                rates=(values["head.learning_rate"], values["unfreeze.learning_rate"]),
                blocks=values["unfreeze.blocks"], dropout=values["head.dropout"], part="val",
            )  # fmt: skip
            found.update(
                trial=number,
                seconds=time.perf_counter() - started,
                score=result["auc"],
                values=dict(values.values),
            )
            return {"score": result["auc"]}

    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective("score", "max"),
        max_trials=trials,
        hyperparameters=hyperparameters(read_search(_space_file()).space),
        seed=SearchFile().seed + 1,
    )
    oracle.verbose = 0
    Plain(oracle, hypermodel=lambda values: None, directory=tempfile.mkdtemp()).search()
    return found


def tlpipe(root: Path, out: Path, epochs: int, trials: int, workers: int) -> dict:
    started = time.perf_counter()
    found = _searched(root, out, epochs, trials, workers, confirm=0)
    return {
        "seconds": time.perf_counter() - started,
        "best": found.ranking.winner.mean,
        "scores": [trial.score for trial in found.trials],
        "stopped": sum(trial.status == "stopped" for trial in found.trials),
        "trial_seconds": [trial.seconds for trial in found.trials],
    }


def noise(root: Path, out: Path, epochs: int, trials: int, workers: int) -> dict:
    """The same search, already ended, goes on with the runs that confirm."""
    ranking = _searched(root, out, epochs, trials, workers, confirm=3).ranking
    return {
        "deviation": ranking.noise,
        "apart": ranking.apart,
        "scores": {leader.name: leader.scores for leader in ranking.leaders},
    }


def _searched(root: Path, out: Path, epochs: int, trials: int, workers: int, *, confirm: int):
    os.environ["TLPIPE_CACHE"] = tempfile.mkdtemp()
    from rich.console import Console

    from tlpipe.config.search import read_search
    from tlpipe.search.engine import Local
    from tlpipe.search.search import search

    settings = {"tuner": "random", "trials": trials, "workers": workers}
    # All trials are those that keras-tuner proposes by itself, as the peer's are.
    file = read_search(_space_file(), leaders=1, confirm=confirm, start=False, **settings)
    engine = Local(workers)
    found = search(
        file,
        data=str(root),
        assignments=["prepare.resize=squash", f"head.epochs={epochs}", f"unfreeze.epochs={epochs}"],
        folder=out,
        engine=engine,
        console=Console(stderr=True),
    )
    engine.close()
    return found


def _space_file() -> Path:
    path = Path(tempfile.mkdtemp()) / "search.yaml"
    path.write_text(json.dumps({"space": SPACE}))
    return path


def split(root: Path, out: Path) -> Path:
    """The manifest that every trial of tlpipe's search has."""
    from rich.console import Console

    from tlpipe.api import open_run
    from tlpipe.config.load import read_yaml
    from tlpipe.pipeline.runner import execute
    from tlpipe.stages.registry import make_stages

    recipe = read_yaml(common.HERE.parent / "pipelines" / "finetune.yaml")
    given = [f"scan.data={root}"]
    run = open_run(recipe, assignments=given, out=out, console=Console(quiet=True))
    execute(run, [stage for stage in make_stages(run.pipeline) if stage.name in ("scan", "split")])
    return run.path("manifest.csv")


def result_of(arguments: argparse.Namespace, searched: dict, peer: list[dict]) -> dict:
    mean = sum(row["seconds"] for row in peer) / len(peer) if peer else None
    best = max((row["score"] for row in peer), default=None)
    same = [searched["scores"][row["trial"]] for row in peer]
    result = {
        "data": arguments.data,
        "epochs": arguments.epochs,
        "trials": arguments.trials,
        "workers": arguments.workers,
        "space": SPACE,
        "peer_trials": len(peer),
        "ratio": mean and mean * arguments.trials / searched["process_seconds"],
        "best": {"tlpipe": searched["best"], "keras-tuner": best},
        "best_of_the_peers_trials": {
            "tlpipe": max((score for score in same if score is not None), default=None),
            "keras-tuner": best,
        },
        "noise": searched.get("noise"),
        "rows": {"tlpipe": searched, "keras-tuner": peer},
    }
    hidden = ("space", "rows")
    print(json.dumps({k: v for k, v in result.items() if k not in hidden}, indent=2), flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=time_to_accuracy.SETS, default="food")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2, help="of tlpipe, as its own --workers")
    parser.add_argument("--peer", type=int, help="run so many of the peer's trials this time")
    parser.add_argument("--first", type=int, default=0, help="begin with this one, from 0")
    parser.add_argument("--add", action="store_true", help="go on from the results file")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        who, root, path, number = arguments.one
        run = {"tlpipe": tlpipe, "noise": noise, "keras-tuner": tuner}[who]
        given = Path(root), Path(path), arguments.epochs, arguments.trials
        print(json.dumps(run(*given, int(number))))
        return
    folder, name = Path(tempfile.mkdtemp()), f"search_{arguments.data}"
    root = folder / arguments.data
    time_to_accuracy.SETS[arguments.data](root)
    flags = ["--epochs", str(arguments.epochs), "--trials", str(arguments.trials), "--one"]
    script, searched, peer = Path(__file__).resolve(), None, []
    if arguments.add:
        known = json.loads((common.HERE / "results" / f"{name}.json").read_text())
        same = ("data", "epochs", "trials", "workers")
        if any(known[key] != getattr(arguments, key) for key in same):
            raise SystemExit(f"{name}.json is of other settings: start anew without --add")
        searched, peer = known["rows"]["tlpipe"], known["rows"]["keras-tuner"]
    if searched is None:
        given = str(root), str(folder / "search"), str(arguments.workers)
        searched = common.in_a_process(script, *flags, "tlpipe", *given)
        searched["noise"] = common.in_a_process(script, *flags, "noise", *given)
        print(common.save(name, result_of(arguments, searched, peer)), flush=True)
    manifest = split(root, folder / "split")
    order = [*range(arguments.first, arguments.trials), *range(arguments.first)]
    left = [number for number in order if number not in {row["trial"] for row in peer}]
    for number in left[: arguments.peer]:
        row = common.in_a_process(
            script, *flags, "keras-tuner", str(root), str(manifest), str(number)
        )
        peer.append(row)
        print(common.save(name, result_of(arguments, searched, peer)), flush=True)


if __name__ == "__main__":
    main()
