import pytest
import yaml

from tlpipe.config.load import FINETUNE, override, validate
from tlpipe.config.search import SPACE, Search, read_search
from tlpipe.config.settings import STAGE_SETTINGS
from tlpipe.errors import ConfigError
from tlpipe.search.recipe import check, recipe
from tlpipe.search.space import hyperparameters, starting
from tlpipe.search.values import as_yaml, assignments, rounded, text_of


def written(folder, text):
    path = folder / "search.yaml"
    path.write_text(text)
    return path


def space(folder, text):
    return read_search(written(folder, "space:\n" + text)).space


def test_the_example_is_the_default_and_shows_every_setting():
    with open("pipelines/search.yaml", encoding="utf-8") as file:
        raw = yaml.safe_load(file)
    assert raw["space"] == SPACE
    assert raw["search"] == Search().model_dump()
    assert raw["seed"] == read_search().seed
    assert read_search("pipelines/search.yaml") == read_search()


def coded(value):
    return value if isinstance(value, bool | int | float | str) else as_yaml(value)


def test_every_end_of_the_default_space_is_a_setting_that_can_be_used():
    for key, knobs in read_search().space.items():
        for value in (value for knob in knobs for value in knob.ends()):
            validate(override(FINETUNE, assignments({key: coded(value)}, {key: knobs})))


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ("  head.epoch: {choice: [1, 2]}", "Unknown setting 'head.epoch'"),
        ("  split.val: {choice: [0.1, 0.2]}", "'split.val' can't be searched"),
        ("  head.dropout: {low: 0.5, high: 0.1}", "low (0.5) must be below high (0.1)"),
        ("  head.l2: {low: 0, high: 0.1, log: true}", "low must be above 0"),
        ("  head.l2: {low: 0}", "write {choice: [...]} or {low: ..., high: ...}"),
        ("  head.l2: {lo: 0, high: 1}", "Unknown setting 'space: head.l2.lo'"),
        (
            "  head.l2: {low: 0, high: 1}\n  'head.l2, head.l1': {low: 0, high: 1}",
            "names 'head.l2' twice",
        ),
        (
            "  head.clusters: {choice: [8, 16], when: {head.pool: netvlad}}",
            "depends on 'head.pool', which the space does not try out",
        ),
        (
            "  head.pool: {choice: [avg, netvlad]}\n"
            "  head.clusters: {choice: [8, 16], when: {head.pool: netvald}}",
            "waits for 'head.pool' to be 'netvald', which is never tried",
        ),
        (
            "  head.hidden: {choice: [[], [256]]}\n"
            "  head.dropout: {low: 0, high: 0.5, when: {head.hidden: [256]}}",
            "waits for 'head.hidden' to be 256, which is never tried",
        ),
        (
            "  head.dropout: {low: 0, high: 0.5}\n"
            "  head.l2: {low: 0, high: 0.1, when: {head.dropout: 0}}",
            "'head.dropout', which has no single list of values",
        ),
        (
            "  head.epochs: {low: 4, high: 16, step: 1.5}",
            "'head.epochs' is a whole number, and its step is 1.5",
        ),
    ],
)
def test_a_space_that_makes_no_sense_is_refused_by_name(tmp_path, lines, what):
    with pytest.raises(ConfigError) as caught:
        space(tmp_path, lines)
    assert what in str(caught.value)


def test_flags_are_laid_over_the_file(tmp_path):
    path = written(tmp_path, "seed: 5\nsearch: {trials: 7, tuner: random}\n")
    found = read_search(path, trials=9, objective=None)
    assert (found.seed, found.search.trials, found.search.tuner) == (5, 9, "random")
    with pytest.raises(ConfigError, match="trials"):
        read_search(path, trials=0)


def test_values_become_settings_of_the_right_type(tmp_path):
    found = space(
        tmp_path,
        "  head.hidden: {choice: [[], [256]]}\n"
        "  unfreeze.blocks: {choice: [2, all]}\n"
        "  'head.batch_size, unfreeze.batch_size': {choice: [16, 32]}\n"
        "  head.learning_rate: {low: 0.0001, high: 0.01, log: true}\n"
        "  head.balance: {choice: [false, true]}\n",
    )
    values = {
        "head.balance": 1,
        "head.hidden": "[256]",
        "unfreeze.blocks": "2",
        "head.batch_size, unfreeze.batch_size": 16,
        "head.learning_rate": 0.000123456789,
        "tuner/epochs": 3,
    }
    values = rounded(values, found)
    stages = validate(override(FINETUNE, assignments(values, found))).stages
    assert stages["head"].hidden == (256,)
    assert stages["unfreeze"].blocks == 2
    assert stages["head"].batch_size == stages["unfreeze"].batch_size == 16
    assert stages["head"].learning_rate == 0.0001235
    assert stages["head"].balance is True
    assert text_of("head.balance", values["head.balance"], found) == "true"
    assert text_of("unfreeze.blocks", "all", found) == "all"


def test_a_setting_with_a_condition_is_tried_only_where_it_holds(tmp_path):
    found = space(
        tmp_path,
        "  unfreeze.learning_rate:\n"
        "    - {low: 0.0001, high: 0.001, when: {unfreeze.optimizer: adamw}}\n"
        "    - {low: 0.01, high: 0.1, when: {unfreeze.optimizer: sgd}}\n"
        "  head.clusters: {choice: [8, 16], when: {head.pool: netvlad}}\n"
        "  unfreeze.optimizer: {choice: [adamw, sgd]}\n"
        "  head.pool: {choice: [avg, netvlad]}\n",
    )
    seen = set()
    for trial in samples(found, 40):
        rate = trial["unfreeze.learning_rate"]
        assert (rate >= 0.01) == (trial["unfreeze.optimizer"] == "sgd")
        assert ("head.clusters" in trial) == (trial["head.pool"] == "netvlad")
        seen.add((trial["unfreeze.optimizer"], trial["head.pool"]))
    assert len(seen) == 4
    assert set(STAGE_SETTINGS) >= {key.partition(".")[0] for key in found}


def test_numbers_are_whole_where_the_setting_is_and_nowhere_else(tmp_path):
    found = space(
        tmp_path,
        "  prepare.strength: {low: 0, high: 2, step: 0.5}\n"
        "  head.dropout: {low: 0, high: 0.9}\n"
        "  head.epochs: {low: 4.0, high: 16.0}\n",
    )
    tried = samples(found, 30)
    assert {trial["prepare.strength"] for trial in tried} == {0, 0.5, 1, 1.5, 2}
    assert any(trial["head.dropout"] % 1 for trial in tried)
    assert all(isinstance(trial["head.epochs"], int) for trial in tried)


def test_a_value_is_checked_together_with_what_it_is_only_tried_with(small, tiny_file, tmp_path):
    lines = (
        "space:\n"
        "  prepare.augment: {choice: [light, medium]}\n"
        f"  backbone.name: {{choice: [efficientnet_lite0, {tiny_file}]}}\n"
        "  unfreeze.blocks:\n"
        f"    - {{choice: [block2], when: {{backbone.name: {tiny_file}}}}}\n"
        "    - {choice: [block7], when: {backbone.name: efficientnet_lite0}}\n"
    )
    file = read_search(written(tmp_path, lines))
    raw = recipe(file, str(small), ["backbone.resolution=64"])
    assert check(file, raw, tmp_path / "out").stages["unfreeze"].blocks == 3
    wrong = read_search(written(tmp_path, lines.replace("[block2]", "[block7]")))
    with pytest.raises(ConfigError) as caught:
        check(wrong, raw, tmp_path / "out")
    assert "can't be tried" in str(caught.value)
    assert "no block 'block7'" in str(caught.value)


def test_what_a_copied_recipe_leaves_empty_is_the_searchs_to_set(small, tmp_path):
    path = written(tmp_path, "recipe: {split: {seed: null}, prepare: {boundaries: []}}\n")
    raw = recipe(read_search(path, seed=7), str(small), [])
    assert raw["stages"]["split"]["seed"] == 7
    assert raw["stages"]["prepare"]["boundaries"] == [1, 2, 3, 4]


def samples(found, count):
    from tlpipe.config.search import SearchFile
    from tlpipe.search.proposer import Proposer

    file = SearchFile(search=Search(tuner="random", trials=count), space=found)
    proposer = Proposer(file, maximize=True, max_epochs=8)
    return [proposer.propose().values for _ in range(count)]


def test_settings_that_depend_on_one_another_are_refused(tmp_path):
    found = space(
        tmp_path,
        "  head.pool: {choice: [avg, gem], when: {unfreeze.optimizer: sgd}}\n"
        "  unfreeze.optimizer: {choice: [adamw, sgd], when: {head.pool: avg}}\n",
    )
    with pytest.raises(ConfigError, match="in a circle"):
        hyperparameters(found)


def start_of(folder, small, lines, *assignments):
    file = read_search(written(folder, "space:\n" + lines))
    found = starting(validate(recipe(file, str(small), list(assignments))), file.space)
    return found if found is None else rounded(found, file.space)


def test_the_recipes_own_values_are_found_in_the_default_space(small):
    file = read_search()
    raw = recipe(file, str(small), [])
    found = starting(validate(raw), file.space)
    values = rounded(found, file.space)
    assert list(values) == list(file.space)
    # Laid over the recipe they change nothing.
    assert validate(override(raw, assignments(values, file.space))) == validate(raw)


@pytest.mark.parametrize(
    ("line", "assignment", "held"),
    [
        ("unfreeze.blocks: {choice: [1, 2]}", "unfreeze.blocks=2", True),
        ("unfreeze.blocks: {choice: [1, 2]}", "unfreeze.blocks=3", False),
        ("head.epochs: {low: 4, high: 10, step: 2}", "head.epochs=8", True),
        ("head.epochs: {low: 4, high: 10, step: 2}", "head.epochs=7", False),
        ("head.dropout: {low: 0.0, high: 0.5, step: 0.1}", "head.dropout=0.3", True),
        ("head.dropout: {low: 0.0, high: 0.5, step: 0.1}", "head.dropout=0.6", False),
        ("head.clip_norm: {low: 0.5, high: 2}", "head.clip_norm=null", False),
        # A trial has four digits.
        ("head.learning_rate: {low: 0.001, high: 0.01}", "head.learning_rate=0.0012346", False),
        # Both steps have one value in the space, and two in the recipe.
        ("head.batch_size, unfreeze.batch_size: {choice: [16, 32]}", "head.batch_size=16", False),
    ],
)
def test_a_recipe_outside_the_space_is_no_trial(small, tmp_path, line, assignment, held):
    assert (start_of(tmp_path, small, f"  {line}\n", assignment) is not None) == held


def test_what_depends_on_another_setting_starts_only_where_that_has_its_value(small, tmp_path):
    lines = (
        "  unfreeze.optimizer: {choice: [adamw, sgd]}\n"
        "  unfreeze.learning_rate:\n"
        "    - {low: 0.00003, high: 0.001, log: true, when: {unfreeze.optimizer: adamw}}\n"
        "    - {low: 0.001, high: 0.03, log: true, when: {unfreeze.optimizer: sgd}}\n"
        "  head.clip_norm: {low: 2, high: 3, when: {unfreeze.optimizer: sgd}}\n"
    )
    found = start_of(tmp_path, small, lines)
    assert found == {"unfreeze.optimizer": "adamw", "unfreeze.learning_rate": 0.0001}
    asked = ["unfreeze.optimizer=sgd", "unfreeze.learning_rate=0.01", "head.clip_norm=2.5"]
    found = start_of(tmp_path, small, lines, *asked)
    assert list(found.values()) == ["sgd", 0.01, 2.5]
