"""The search as one HTML file that needs no network and no script."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from tlpipe.html import templates
from tlpipe.pipeline.atomic import write_text
from tlpipe.search import plots
from tlpipe.search.importance import importance
from tlpipe.search.record import short
from tlpipe.search.screen import clock
from tlpipe.search.values import text_of

if TYPE_CHECKING:
    from tlpipe.search.driver import Driver
    from tlpipe.search.leaders import Ranking


def write_page(path: Path, driver: Driver, ranking: Ranking, said: str, scored: str) -> None:
    """Writes ``index.html``: the winner, the leaders, what mattered, and every trial."""
    file, trials = driver.file, driver.trials
    objective, space = file.search.objective, file.space
    found = importance(trials, space, file.seed)
    drawn = {
        "progress": plots.progress(trials, objective, driver.maximize),
        "cost": plots.cost(trials, objective),
        "coordinates": plots.coordinates(trials, space, objective, driver.maximize),
    }
    if found.shares:
        drawn["shares"] = plots.shares(found)
    page = templates("tlpipe.search").get_template("page.html.j2")
    text = page.render(
        said=said,
        file=file,
        ranking=ranking,
        best=ranking.winner.trial,
        trials=trials,
        keys=list(space),
        short=short,
        value=lambda trial, key: (
            text_of(key, trial.values[key], space) if key in trial.values else "–"
        ),
        clock=clock,
        seconds=sum(trial.seconds for trial in trials),
        scored=scored,
        explained=found.explained,
        # As pictures, because the same ids stand in several plots.
        plots={name: base64.b64encode(svg.encode()).decode() for name, svg in drawn.items()},
    )
    write_text(path, text)
