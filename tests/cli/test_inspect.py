"""``tlpipe inspect`` as a person sees it."""

import json
import re
import sys

import pytest

import tlpipe.cli.main as cli


@pytest.fixture
def call(monkeypatch, capsys):
    def call(*arguments, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "argv", ["tlpipe", "inspect", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return call


def table(shown: str) -> list[str]:
    """The lines between the table's rule and the totals."""
    lines = shown.splitlines()
    start = next(i for i, line in enumerate(lines) if set(line.strip()) == {"─"})
    end = next(i for i, line in enumerate(lines) if " parameters (" in line)
    return [line for line in lines[start + 1 : end] if line.strip()]


def test_vgg16_in_eighty_columns(call):
    code, shown, _ = call("vgg16", "--top", "--layers")
    assert code == 0
    assert "…" not in shown, "nothing is cut off"
    rows = {line.split()[0]: line for line in table(shown)}
    assert all(len(line) <= 80 for line in rows.values())
    assert "3,211,264" in rows["block1_conv1"]
    assert "3,211,264" in rows["block1_conv2"]
    assert "102,764,544" in rows["fc1"]
    assert re.search(r"\b196\b", rows["block5_conv3"])
    assert "138,357,544 parameters" in shown
    assert "15,237,608 activations a picture, 61.0 MB" in shown


def test_blocks_are_the_default_and_frozen_ones_are_told(call):
    code, shown, _ = call("vgg16", "--size", 64, "--unfreeze", "block5", "--memory", "2GB")
    assert code == 0
    assert [line.split()[0] for line in table(shown)] == [f"block{i}" for i in range(1, 6)]
    assert "trains: block5" in shown
    assert re.search(r"training: a batch of up to [\d,]+ fits 2 GB", shown)
    assert re.search(r"prediction: a batch of up to [\d,]+ fits 2 GB", shown)


def test_json_on_the_screen_is_json_alone(call):
    code, shown, _ = call("vgg16", "--size", 32, "--json", "-", "--memory", "1GB")
    value = json.loads(shown)
    assert code == 0
    assert value["schema"] == 1
    assert value["largest_batch"]["training"] > 0
    assert value["source"].startswith("backbone")


def test_files(call, tmp_path):
    page, facts, grid = (tmp_path / name for name in ("p.html", "f.json", "g.png"))
    code, _, aside = call(
        "efficientnet_lite0", "--size", 64,
        "--html", page, "--json", facts, "--first-layer", grid,
    )  # fmt: skip
    assert code == 0
    assert all(str(file) in aside for file in (page, facts, grid))
    text = page.read_text()
    assert "block7a_project_conv" in text
    assert not re.search(r"<script|<link|https?://|@import|src=", text), "needs nothing else"
    assert "@media print" in text
    assert len(json.loads(facts.read_text())["blocks"]) == 9
    assert grid.stat().st_size > 1000


def test_names_in_the_page_are_text_and_no_markup(tmp_path):
    import keras

    from tlpipe.inspect.examine import examine
    from tlpipe.inspect.page import html

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Conv2D(1, 3)(image))
    page = html(examine(model, "<b>name"), source="<script>", trains="&", fits=[])
    assert "&lt;b&gt;name" in page
    assert "<script>" not in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resnet5",), ["resnet5", "did you mean 'resnet50'"]),
        (("runs/none",), ["runs/none", "tlpipe backbones"]),
        (("vgg16", "--memory", "much"), ["'much' is no amount of memory", "8GB"]),
        (("vgg16", "--picture", "x.jpg"), ["--first-layer"]),
        (("vgg16", "--size", "8"), ["8 px", "too small"]),
        (("vgg16", "--size", "32", "--unfreeze", "9"), ["9 blocks", "5 blocks"]),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(call, arguments, words):
    code, _, shown = call(*arguments)
    assert code == 2
    assert "Traceback" not in shown
    for word in words:
        assert word in shown


def test_help_has_an_example_and_imports_nothing_heavy(call):
    code, shown, _ = call("--help", columns=120)
    assert code == 0
    assert "tlpipe inspect vgg16" in shown
