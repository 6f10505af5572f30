"""The head's settings as a person writes them, in a file or on the command line."""

import pytest

from tlpipe.config.load import FINETUNE, dump, override, read_yaml, validate
from tlpipe.errors import ConfigError


def head(*assignments):
    return validate(override(FINETUNE, assignments)).stages["head"]


@pytest.mark.parametrize(
    ("text", "units"),
    [("256", (256,)), ("512,128", (512, 128)), ("[64, 8]", (64, 8)), ("[]", ()), ("'256'", (256,))],
)
def test_hidden_layers_are_one_number_or_several(text, units):
    assert head(f"head.hidden={text}").hidden == units


def test_what_is_written_reads_back_equal(tmp_path):
    pipeline = validate(override(FINETUNE, ["head.pool=spp", "head.levels=3,1", "head.hidden=9"]))
    (tmp_path / "p.yaml").write_text(dump(pipeline))
    assert validate(read_yaml(tmp_path / "p.yaml")) == pipeline
    assert pipeline.stages["head"].levels == (3, 1)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("head.pool=average", ["head.pool", "'average'", "'avg'", "default is head.pool=avg"]),
        ("head.hidden=0", ["head.hidden", "greater than or equal to 1"]),
        ("head.hidden=many", ["head.hidden", "'many'", "a whole number", "256 or 512,128"]),
        ("head.levels=[]", ["head.levels", "at least 1 item"]),
        ("head.levels=2,2", ["head.levels", "a level twice"]),
        ("head.clusters=1", ["head.clusters", "greater than or equal to 2"]),
        ("head.l1=-1", ["head.l1", "greater than or equal to 0"]),
        ("head.levles=1", ["did you mean 'head.levels'?"]),
    ],
)
def test_a_bad_value_is_named_with_the_cause(assignment, words):
    with pytest.raises(ConfigError) as caught:
        head(assignment)
    for word in words:
        assert word in str(caught.value)
