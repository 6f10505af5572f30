"""``tlpipe search`` from its file to the winner's score on the test part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tlpipe.api import run_pipeline
from tlpipe.config.load import dump, override, validate
from tlpipe.config.runs import check_outside
from tlpipe.config.search import BEST, LEADERS, SearchFile
from tlpipe.errors import TrainingError
from tlpipe.pipeline.atomic import write_json, write_text
from tlpipe.pipeline.lock import holding
from tlpipe.pipeline.run import Run
from tlpipe.search.driver import ABOUT, TRIALS, Driver, describe
from tlpipe.search.engine import Engine
from tlpipe.search.leaders import Ranking, confirm, sentence
from tlpipe.search.objective import maximized
from tlpipe.search.page import write_page
from tlpipe.search.process import take_as_needed
from tlpipe.search.recipe import check, recipe
from tlpipe.search.record import Trial, best_first, short
from tlpipe.search.screen import Screen, relative
from tlpipe.search.trial import UNTRIED, share
from tlpipe.search.values import text_of
from tlpipe.stages.registry import STAGES
from tlpipe.terminal import print_plain

PAGE = "index.html"
HEAVY = ("model.keras", "stages/*/*.npz")


@dataclass(frozen=True)
class Found:
    """What a search leaves behind.

    Attributes:
        run: the winner, trained and scored on the test part.
        ranking: the leaders, and what of their difference is noise.
        trials: all of them.
    """

    run: Run
    ranking: Ranking
    trials: list[Trial]


def search(
    file: SearchFile,
    *,
    data: str | None,
    assignments: list[str],
    folder: Path,
    engine: Engine,
    console: Console,
) -> Found:
    """Searches, or goes on; at the end the winner is scored on the test part, and only it.

    Args:
        file: the space, and how it is searched.
        data: folder of pictures; None where the file's recipe names one.
        assignments: ``stage.key=value`` laid over the file's recipe.
        folder: of the search; ``trials.csv``, ``best.yaml``, ``best/`` and ``index.html`` are
            written there.
        engine: runs the trials.
        console: for the person.

    Raises:
        TlpipeError: anything the user can mend.
    """
    take_as_needed()
    # A worker of a Ray cluster has a working folder of its own.
    folder = folder.absolute()
    raw = recipe(file, data, assignments)
    pipeline = check(file, raw, folder)
    check_outside(folder, pipeline)
    about = describe(folder, file, raw)
    with holding(folder):
        write_text(folder / ABOUT, about)
        screen = Screen(console, file, maximized(file.search.objective))
        driver = Driver(file, raw, pipeline, folder, engine, screen)
        _announce(console, file, folder)
        driver.prepare(console)
        if driver.trials:
            print_plain(console, f"going on after trial {driver.trials[-1].name}")
        with screen:
            driver.run()
        if not best_first(driver.trials, driver.maximize):
            raise TrainingError(
                "No trial ran to its end.",
                where=folder / TRIALS,
                todo="see the reasons there; more trials: --trials",
            )
        ranking = confirm(driver, engine, screen)
        said = sentence(ranking, file.search.objective, file.search.confirm)
        run = _finish(driver, ranking, console)
        scored = _scored(run)
        write_page(folder / PAGE, driver, ranking, said, scored)
        write_json(folder / LEADERS, _leaders(ranking, said))
        _slim(driver, ranking)
        _conclude(console, driver, ranking, said, scored)
        return Found(run, ranking, driver.trials)


def _announce(console: Console, file: SearchFile, folder: Path) -> None:
    settings = file.search
    many = "hyperband" if settings.tuner == "hyperband" else f"{settings.trials} trials"
    print_plain(
        console,
        f"search     {many} ({settings.tuner}), {settings.workers} at a time, seed {file.seed}\n"
        f"best by    validation {settings.objective}; the test part is for the winner alone\n"
        f"tries      {', '.join(short(key) for key in file.space)}\n"
        f"results    {relative(folder)}",
    )


def _finish(driver: Driver, ranking: Ranking, console: Console) -> Run:
    """Trains nothing again: takes the winner's trial over, and evaluates it."""
    trial = ranking.winner.trial
    tried = [*(trial.assignments or driver.tried(trial)), "prepare.boundaries=[]"]
    text = dump(validate(override(driver.raw, tried)))
    path, folder = driver.folder / BEST, driver.folder / "best"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        _set_aside(folder, console)
    write_text(path, text)
    names = tuple(name for name in STAGES if name not in UNTRIED)
    share(driver.trial_folder(trial), folder, names)
    return run_pipeline(driver.raw, assignments=tried, out=folder, console=console)


def _set_aside(best: Path, console: Console) -> None:
    """A longer search found another winner; somebody may have made reports of the one before."""
    if not best.exists():
        return
    number = 1
    while (target := best.with_name(f"best-earlier-{number}")).exists():
        number += 1
    best.rename(target)
    print_plain(console, f"another trial won this time: the winner before is in {relative(target)}")


def _leaders(ranking: Ranking, said: str) -> dict[str, Any]:
    """What a program wants to know of the end; ``trials`` begins with the winner."""
    rows = [
        {"name": x.name, "mean": x.mean, "first": x.first, "scores": list(x.scores)}
        for x in ranking.leaders
    ]
    trials = [leader.name for leader in ranking.leaders if leader.trial is not None]
    about = {"noise": ranking.noise, "apart": ranking.apart, "said": said}
    return {"trials": trials, "leaders": rows, **about}


def _slim(driver: Driver, ranking: Ranking) -> None:
    """Weights of trials that did not come near the first go; their scores and logs stay."""
    kept = {leader.name for leader in ranking.leaders}
    for trial in driver.trials:
        if trial.name not in kept:
            for pattern in HEAVY:
                for path in driver.trial_folder(trial).glob(pattern):
                    path.unlink()


def _scored(run: Run) -> str:
    """What the winner's score is worth: of pictures that chose nothing, or of those that chose."""
    part, _, scores = run.state()["evaluate"]["summary"].partition(": ")
    if part == "test":
        return f"On the test part, which only the winner was scored on, and once: {scores}."
    return f"There is no test part. On validation, which the winner was chosen by: {scores}."


def _conclude(console: Console, driver: Driver, ranking: Ranking, said: str, scored: str) -> None:
    best = ranking.winner.trial
    values = "\n".join(
        f"  {short(key)}: {text_of(key, value, driver.file.space)}"
        for key, value in best.values.items()
    )
    place = relative(driver.folder)
    print_plain(console, "")
    print_plain(console, said)
    print_plain(console, values)
    print_plain(console, scored)
    print_plain(
        console,
        f"{place}/{PAGE} shows the search, {place}/{TRIALS} lists it, {place}/best is the model;\n"
        f"tlpipe finetune --from {place} trains it again, on other pictures with --data.",
    )
