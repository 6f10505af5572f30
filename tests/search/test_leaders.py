"""What may be said of the best of many trials."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from tlpipe.config.search import Search, read_search
from tlpipe.search.importance import importance, position
from tlpipe.search.leaders import START, Leader, confirm, different, rank, sentence
from tlpipe.search.record import Trial, best_first, write_csv
from tlpipe.search.search import _scored


def leader(number, first, *scores):
    trial = None if number is None else Trial(number, {}, status="completed", score=first)
    return Leader(START if trial is None else trial.name, trial, first, scores)


def test_leaders_within_the_noise_are_not_told_apart():
    ranking = rank(
        [
            leader(3, 0.93, 0.900, 0.910, 0.905),
            leader(7, 0.94, 0.906, 0.904, 0.900),
            leader(None, None, 0.850, 0.860, 0.855),
        ],
        maximize=True,
    )
    assert ranking.winner.name == "0003"
    # Variances 2.5e-5, 9.33e-6 and 2.5e-5; six degrees of freedom; t = 2.447.
    assert ranking.noise == pytest.approx(np.sqrt((2 * 2.5e-5 + 9.333e-6) / 3), rel=1e-3)
    assert ranking.apart == pytest.approx(2.447 * ranking.noise * np.sqrt(2 / 3), rel=1e-3)
    assert ranking.equals() == ["0007"]
    said = sentence(ranking, "auc", 3)
    assert "0.9050 (0.9300 in the search)" in said
    assert "0007 may be as good" in said
    assert "the winner is 0.0500 better" in said


def test_a_winner_that_is_no_better_than_the_start_is_said_to_be_none():
    ranking = rank([leader(3, 0.93, 0.90, 0.92), leader(None, None, 0.915, 0.905)], maximize=True)
    assert "tell the winner from it (a difference of 0.0000)" in sentence(ranking, "auc", 2)
    worse = rank([leader(3, 0.3, 0.52, 0.521), leader(None, None, 0.4, 0.401)], maximize=False)
    assert worse.winner.name == "0003"
    assert "WORSE" in sentence(worse, "log_loss", 2)


def test_a_start_that_was_a_trial_wins_where_none_is_better():
    kept = [leader(0, 0.91, 0.905, 0.915), leader(3, 0.93, 0.87, 0.88)]
    ranking = rank(kept, maximize=True, start="0000")
    assert ranking.winner.name == "0000"
    said = sentence(ranking, "auc", 2)
    assert said.startswith("Trial 0000, the recipe you started from, has the best mean validation")
    assert "The recipe you started from has" not in said
    better = rank([leader(0, 0.91, 0.8, 0.81), kept[1]], maximize=True, start="0000")
    assert better.winner.name == "0003"
    assert "from has 0.8050: the winner is 0.0700 better." in sentence(better, "auc", 2)
    near = rank([leader(0, 0.91, 0.87, 0.875), kept[1]], maximize=True, start="0000")
    said = sentence(near, "auc", 2)
    assert "can't tell the winner from it" in said
    assert "0000 may be as good" not in said


def test_one_other_seed_measures_no_luck_and_hides_no_figure():
    ranking = rank([leader(3, 0.93, 0.90), leader(None, None, 0.88)], maximize=True)
    said = sentence(ranking, "auc", 1)
    assert "0.9000 with another seed (0.9300 in the search)" in said
    assert "was not measured" in said


def test_equal_scores_are_no_difference():
    same = [leader(3, 1.0, 1.0, 1.0), leader(5, 1.0, 1.0, 1.0), leader(None, None, 1.0, 1.0)]
    ranking = rank(same, maximize=True)
    assert ranking.apart == 0
    assert ranking.equals() == ["0005", START]
    assert "can't tell the winner from it" in sentence(ranking, "auc", 2)


def test_a_recipe_leads_once_however_often_it_was_run():
    trials = [
        Trial(4, {"a": 1}, epochs=3, status="completed", score=0.9),
        Trial(6, {"a": 1}, epochs=8, status="completed", score=0.9),
        Trial(5, {"a": 2}, epochs=8, status="completed", score=0.8),
        Trial(7, {"a": 2}, epochs=8, status="completed", score=0.8),
    ]
    assert [trial.number for trial in different(best_first(trials, maximize=True))] == [6, 5]


def test_without_other_seeds_nothing_is_claimed():
    ranking = rank([leader(1, 0.91), leader(2, 0.92)], maximize=True)
    assert ranking.winner.name == "0002"
    assert ranking.equals() == []
    assert "luck was not measured" in sentence(ranking, "auc", 0)


def test_the_setting_that_mattered_is_found_and_noise_is_not():
    space = read_search().space
    random = np.random.default_rng(0)

    def trials(effect):
        for number in range(40):
            values = {
                "head.learning_rate": float(10 ** random.uniform(-3, -2)),
                "head.dropout": float(random.choice([0, 0.1, 0.2, 0.3, 0.4, 0.5])),
                "prepare.augment": str(random.choice(["light", "medium"])),
            }
            score = random.normal(0, 0.01) + effect * (values["prepare.augment"] == "medium")
            yield Trial(number, values, status="completed", score=float(score))

    kept = {key: space[key] for key in ("head.learning_rate", "head.dropout", "prepare.augment")}
    found = importance(list(trials(0.1)), kept, seed=0)
    assert next(iter(found.shares)) == "prepare.augment"
    assert found.shares["prepare.augment"] > 0.8
    assert found.explained > 0.7
    assert importance(list(trials(0.0)), kept, seed=0).explained < 0.3
    assert importance(list(trials(0.1))[:5], kept, seed=0).explained is None


def test_words_beside_a_range_have_a_place_too(tmp_path):
    """As where one network's blocks are counted and another's are named."""
    (tmp_path / "own.yaml").write_text(
        "space:\n"
        "  backbone.name: {choice: [vgg16, resnet50]}\n"
        "  unfreeze.blocks:\n"
        "    - {low: 1, high: 3, when: {backbone.name: vgg16}}\n"
        "    - {choice: [all, top], when: {backbone.name: resnet50}}\n"
    )
    knobs = read_search(tmp_path / "own.yaml").space["unfreeze.blocks"]
    places = [
        position(Trial(0, {"unfreeze.blocks": value}), "unfreeze.blocks", knobs)
        for value in (1, 2, 3, "all", "top")
    ]
    assert places == [0, 0.5, 1, 0, 1]


def test_what_the_winner_is_scored_on_is_named():
    def run(summary):
        return SimpleNamespace(state=lambda: {"evaluate": {"summary": summary}})

    assert _scored(run("test: accuracy 0.9")).startswith("On the test part, which only the winner")
    told = _scored(run("val: accuracy 0.9"))
    assert "no test part" in told
    assert "which the winner was chosen by: accuracy 0.9" in told


def test_trials_are_listed_with_what_became_of_them(tmp_path):
    trials = [
        Trial(1, {"head.dropout": 0.2}, status="completed", score=0.9, seconds=3.5),
        Trial(0, {"head.dropout": 0.1}, status="failed", reason="it exited, with code 7"),
        Trial(2, {"head.dropout": 0.3}, status="stopped", score=0.95),
    ]
    write_csv(tmp_path / "trials.csv", trials, ["head.dropout"])
    with (tmp_path / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["0000", "0001", "0002"]
    assert rows[0]["reason"] == "it exited, with code 7"
    assert rows[0]["score"] == ""
    assert rows[1]["head.dropout"] == "0.2"
    # One that was stopped after its head is no model to choose.
    assert [trial.number for trial in best_first(trials, maximize=True)] == [1]


def test_leaders_that_would_not_run_again_are_judged_by_the_search_alone():
    failed = {"score": None, "reason": "planted"}
    events = [
        {"event": "confirm", "leader": "0001", "seed": 1, **failed},
        {"event": "confirm", "leader": START, "seed": 1, "score": 0.8},
    ]
    driver = SimpleNamespace(
        file=SimpleNamespace(search=Search(leaders=1, confirm=1)),
        pipeline=SimpleNamespace(seed=0),
        maximize=True,
        trials=[Trial(1, {}, status="completed", score=0.9)],
        start=None,
        tried=lambda trial: [],
        journal=SimpleNamespace(events=lambda: events),
    )
    ranking = confirm(driver, None, None)
    assert ranking.winner.name == "0001"
    assert ranking.winner.mean == 0.9


def test_a_start_that_was_a_trial_is_run_again_once_and_may_win():
    events = [
        {"event": "confirm", "leader": name, "seed": 1, "score": score}
        for name, score in (("0000", 0.9), ("0002", 0.8))
    ]
    first, middle, best = (
        Trial(number, {"head.dropout": number / 10}, status="completed", score=0.5 + number / 10)
        for number in range(3)
    )
    driver = SimpleNamespace(
        file=SimpleNamespace(search=Search(leaders=1, confirm=1)),
        pipeline=SimpleNamespace(seed=0),
        maximize=True,
        trials=[first, middle, best],
        start=first,
        tried=lambda trial: [],
        journal=SimpleNamespace(events=lambda: events),
    )
    # An engine would be asked for what the journal does not know.
    ranking = confirm(driver, None, None)
    assert [leader.name for leader in ranking.leaders] == ["0000", "0002"]
    assert ranking.winner.trial is first
    assert ranking.start == "0000"
