"""The oracle is rebuilt from what happened: the same events, the same proposals."""

import pytest

from tlpipe.config.search import Knob, Search, SearchFile, read_search
from tlpipe.search.journal import Journal
from tlpipe.search.proposer import FIRST, Proposer

START = {"unfreeze.blocks": 3, "head.learning_rate": 0.0042, "head.dropout": 0.2}


def make(tuner, space=None, seed=0, trials=30, start=None):
    space = space or {
        key: knobs
        for key, knobs in read_search().space.items()
        if key in ("unfreeze.blocks", "head.learning_rate", "head.dropout")
    }
    file = SearchFile(seed=seed, search=Search(tuner=tuner, trials=trials), space=space)
    return Proposer(file, maximize=True, max_epochs=9, start=start)


def score(proposal):
    """Best at a rate of .004; longer training helps."""
    gap = abs(proposal.values["head.learning_rate"] - 0.004)
    return 1 - 100 * gap + 0.01 * (proposal.epochs or 0)


def drive(proposer, count, start=0):
    """Proposes and finishes; every fifth fails."""
    made = []
    for _ in range(start, count):
        proposal = proposer.propose()
        if proposal is None:
            break
        made.append(proposal)
        failed = proposal.number % 5 == 4
        proposer.finish(proposal.number, None if failed else score(proposal), "planted")
    return made


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband"])
def test_replaying_the_events_goes_on_as_if_nothing_had_happened(tuner):
    whole = drive(make(tuner), FIRST + 3)
    replayed = make(tuner)
    for proposal in whole[: FIRST + 1]:
        assert replayed.propose() == proposal
        failed = proposal.number % 5 == 4
        replayed.finish(proposal.number, None if failed else score(proposal), "planted")
    assert drive(replayed, FIRST + 3, FIRST + 1) == whole[FIRST + 1 :]
    assert len({tuple(p.values.items()) for p in whole}) > 3


@pytest.mark.parametrize("tuner", ["random", "bayesian"])
def test_the_first_trial_is_the_given_one_and_the_others_learn_from_it(tuner):
    made = drive(make(tuner, start=START), FIRST + 3)
    assert made[0].values == START
    # What is drawn at random does not hang on it.
    without = [proposal.values for proposal in drive(make(tuner), FIRST - 2)]
    assert [proposal.values for proposal in made[1 : FIRST - 1]] == without
    assert START not in [proposal.values for proposal in made[1:]]
    replayed = make(tuner, start=START)
    assert drive(replayed, FIRST + 3) == made


def test_hyperband_draws_its_first_round_itself():
    made = drive(make("hyperband", start=START), 4)
    assert [p.values for p in made] == [p.values for p in drive(make("hyperband"), 4)]


@pytest.mark.parametrize("tuner", ["random", "bayesian"])
def test_another_seed_proposes_other_values(tuner):
    assert drive(make(tuner, seed=0), 3) != drive(make(tuner, seed=1), 3)


def test_bayesian_ends_up_near_the_best_values():
    rates = [p.values["head.learning_rate"] for p in drive(make("bayesian"), FIRST + 6)]
    near = [abs(rate - 0.004) for rate in rates]
    assert sorted(near[FIRST:])[3] < sorted(near[:FIRST])[4]


def test_hyperband_lets_the_better_third_go_on_for_longer():
    proposer = make("hyperband")
    made = drive(proposer, 60)
    assert proposer.propose() is None
    assert {p.epochs for p in made} == {1, 3, 9}
    first = {p.number: p for p in made}
    for proposal in made:
        if proposal.after is None:
            continue
        before = first[proposal.after]
        assert before.epochs * 3 == proposal.epochs
        assert before.values == proposal.values
        assert before.number % 5 != 4, "a failed trial went on"


def test_hyperband_draws_another_trial_for_one_that_failed():
    def longest(failing):
        proposer, made = make("hyperband"), []
        while (proposal := proposer.propose()) is not None and len(made) < 200:
            made.append(proposal)
            failed = proposal.number in failing
            proposer.finish(proposal.number, None if failed else score(proposal), "planted")
        return len(made), sum(proposal.epochs == 9 for proposal in made)

    sound, failing = longest(()), longest((1, 2, 3))
    assert failing == (sound[0] + 3, sound[1])
    # As many as the rounds have are drawn anew, and no more.
    assert longest(range(200))[0] < 2 * sound[0]


def test_hyperband_trains_some_to_the_end_of_a_space_smaller_than_its_rounds():
    proposer, made = make("hyperband", {"unfreeze.blocks": (Knob(choice=(1, 2, 3)),)}), []
    while (proposal := proposer.propose()) is not None and len(made) < 100:
        made.append(proposal)
        proposer.finish(proposal.number, proposal.values["unfreeze.blocks"] / 3)
    assert max(p.epochs for p in made) == 9
    assert {p.values["unfreeze.blocks"] for p in made} == {1, 2, 3}


def test_a_line_that_a_kill_tore_does_not_count(tmp_path):
    journal = Journal(tmp_path / "search.jsonl")
    assert journal.events() == []
    journal.append({"event": "start", "number": 0, "name": "中文"})
    with journal.path.open("ab") as file:
        file.write(b'{"event": "en')
    assert [event["number"] for event in journal.events()] == [0]
    journal.append({"event": "end", "number": 0})
    assert [event["event"] for event in journal.events()] == ["start", "end"]
