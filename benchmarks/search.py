"""Seconds to a searched recipe: keras-tuner over the plain loop against `tlpipe search`.

    python benchmarks/search.py                           # food, 20 trials: about two hours
    python benchmarks/search.py --data solar-cells        # most of a day

Both try the same values: keras-tuner's RandomSearch with the same seed over the same space. The
peer's trial is the loop of the Keras guide (see ``time_to_accuracy.py``), run by a
``keras_tuner.Tuner``; both start from tlpipe's split, score the validation part by AUC, and have a
process of their own. tlpipe starts with an empty activation cache; its scan, its split and the
winner's evaluation are counted, its stopping of trials that can't catch up as well.
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


def tuner(root: Path, manifest: Path, epochs: int, trials: int) -> dict:
    import keras_tuner

    from tlpipe.config.search import SearchFile, read_search
    from tlpipe.search.space import hyperparameters

    started, scores = time.perf_counter(), []
    space = read_search(_space_file()).space

    class Plain(keras_tuner.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            values = trial.hyperparameters
            result = time_to_accuracy.guide(
                root, manifest, epochs, SearchFile().seed,
                rates=(values["head.learning_rate"], values["unfreeze.learning_rate"]),
                blocks=values["unfreeze.blocks"], dropout=values["head.dropout"], part="val",
            )  # fmt: skip
            scores.append(result["auc"])
            print(f"trial {trial.trial_id}: {result['auc']:.4f}", file=sys.stderr, flush=True)
            return {"score": result["auc"]}

    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective("score", "max"),
        max_trials=trials,
        hyperparameters=hyperparameters(space),
        seed=SearchFile().seed + 1,
    )
    oracle.verbose = 0
    Plain(oracle, hypermodel=lambda values: None, directory=tempfile.mkdtemp()).search()
    return {"seconds": time.perf_counter() - started, "best": max(scores), "scores": scores}


def tlpipe(root: Path, out: Path, epochs: int, trials: int) -> dict:
    os.environ["TLPIPE_CACHE"] = tempfile.mkdtemp()
    from rich.console import Console

    from tlpipe.config.search import read_search
    from tlpipe.search.engine import Local
    from tlpipe.search.search import search

    started = time.perf_counter()
    file = read_search(_space_file(), tuner="random", trials=trials, leaders=1, confirm=0)
    steps = [f"{step}.{key}={epochs}" for step in ("head", "unfreeze") for key in ("epochs",)]
    engine = Local(1)
    found = search(
        file,
        data=str(root),
        assignments=["prepare.resize=squash", *steps],
        folder=out,
        engine=engine,
        console=Console(stderr=True),
    )
    engine.close()
    return {
        "seconds": time.perf_counter() - started,
        "best": found.ranking.winner.mean,
        "scores": [trial.score for trial in found.trials],
        "stopped": sum(trial.status == "stopped" for trial in found.trials),
        "trial_seconds": [trial.seconds for trial in found.trials],
    }


def _space_file() -> Path:
    path = Path(tempfile.mkdtemp()) / "search.yaml"
    path.write_text(json.dumps({"space": SPACE}))
    return path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", choices=time_to_accuracy.SETS, default="food")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--one", nargs=3, metavar=("WHO", "ROOT", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        who, root, path = arguments.one
        run = {"tlpipe": tlpipe, "keras-tuner": tuner}[who]
        print(json.dumps(run(Path(root), Path(path), arguments.epochs, arguments.trials)))
        return
    folder = Path(tempfile.mkdtemp())
    root = folder / arguments.data
    time_to_accuracy.SETS[arguments.data](root)
    common_flags = ["--epochs", str(arguments.epochs), "--trials", str(arguments.trials)]
    out = folder / "search"
    rows = {}
    for who, path in (("tlpipe", out), ("keras-tuner", out / "base" / "manifest.csv")):
        flags = [*common_flags, "--one", who, str(root), str(path)]
        rows[who] = common.in_a_process(Path(__file__).resolve(), *flags)
        print(who, {k: v for k, v in rows[who].items() if k != "scores"}, flush=True)
    ratio = rows["keras-tuner"]["process_seconds"] / rows["tlpipe"]["process_seconds"]
    result = {
        "data": arguments.data,
        "epochs": arguments.epochs,
        "trials": arguments.trials,
        "space": SPACE,
        "rows": rows,
        "ratio": ratio,
        "best": {who: row["best"] for who, row in rows.items()},
    }
    print(json.dumps({"ratio": ratio, "best": result["best"]}, indent=2))
    print(common.save(f"search_{arguments.data}", result))


if __name__ == "__main__":
    main()
