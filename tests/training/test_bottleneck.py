import pytest

from tlpipe.config.settings import Prepare
from tlpipe.training.bottleneck import Meter, verdict


@pytest.mark.parametrize(
    ("waited", "frozen", "prepare", "blocks", "words"),
    [
        (40, 20, {"cache": "off"}, 3, "40% waiting for pictures, 20% frozen part, 40% trained"),
        (0, 60, {"cache": "off"}, None, "--cache auto would help most"),
        (50, 0, {"pictures": "off"}, "all", "--set prepare.pictures=auto"),
        (50, 0, {"augment": "strong"}, "all", "--augment light"),
        (2, 60, {}, None, "--cache 2"),
        (2, 60, {"views": 16}, None, "--set prepare.views=2"),
        (0, 10, {}, 3, "90% trained part; --unfreeze 2 would help most"),
    ],
)  # fmt: skip
def test_the_largest_share_of_the_time_names_the_flag(waited, frozen, prepare, blocks, words):
    assert words in verdict(Meter(waited, 100, frozen), 100.0, Prepare(**prepare), blocks, 4)


def test_where_no_flag_helps_none_is_named():
    assert verdict(Meter(0, 0, 0), 10.0, Prepare(), None, 4).endswith("100% trained part")
    assert verdict(Meter(0, 0, 9), 10.0, Prepare(), None, 2).endswith("10% trained part")
