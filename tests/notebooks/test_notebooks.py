"""The notebooks: what is committed is whole and clean, and they run from a fresh kernel."""

import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = [
    "1_quick_start",
    "2_three_steps",
    "3_what_a_cnn_sees",
    "4_search",
    "5_planted_shortcut",
    "6_own_backbone",
]
MOST_BYTES = 600_000
# What a machine calls its folders, wherever the notebook was run.
ABSOLUTE = re.compile(r"(?<![\w.:/])/(home|tmp|root|work|Users|private|var|opt|mnt)/")
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
# Of each class: enough for every cell to have something to show.
FEWER = 60


def opened(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in code(notebook) for output in cell.outputs]


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    """All that a reader reads: sources, printed lines, and the texts of displayed things."""
    found = [cell.source for cell in notebook.cells]
    for output in outputs(notebook):
        found.append(output.get("text", ""))
        data = output.get("data", {})
        found += [value for kind, value in data.items() if not kind.startswith("image/")]
    return found


def test_there_are_no_others():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_was_run_from_top_to_bottom(name):
    notebook = opened(name)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [output for output in outputs(notebook) if output.output_type == "error"]


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_pictures(name):
    shown = [kind for o in outputs(opened(name)) for kind in o.get("data", {}) if kind in PICTURES]
    assert shown


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_it_is_of_one_machine(name):
    notebook = opened(name)
    for text in texts(notebook):
        assert not ABSOLUTE.search(text), text
    # Warnings and progress bars come this way, or with control characters.
    assert not [output for output in outputs(notebook) if output.get("name") == "stderr"]
    assert not [text for text in texts(notebook) if re.search(r"[\x1b\r\x08]", text)]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small(name):
    assert (FOLDER / f"{name}.ipynb").stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_with_what_there_is_to_see_and_ends_with_what_next(name):
    notebook = opened(name)
    first, last = notebook.cells[0], notebook.cells[-1]
    assert first.cell_type == last.cell_type == "markdown"
    assert first.source.startswith(f"# {name[0]} · ")
    assert "two cores" in first.source
    assert "CC BY-NC-SA 4.0" in first.source
    assert "**Next:**" in last.source
    linked = [target for cell in notebook.cells for target in _links(cell.source)]
    assert all((FOLDER / target).exists() for target in linked), linked


def _links(text: str) -> list[str]:
    return re.findall(r"\]\(([\w.]+)\)", text)


def shown(cell: nbformat.NotebookNode) -> set[str]:
    """What a reader gets from a cell: printed lines, pictures, texts."""
    kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
    return kinds | {output.name for output in cell.outputs if output.get("name") == "stdout"}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name, tmp_path, monkeypatch):
    # As in an activated environment, which is where `!tlpipe` comes from.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    committed = opened(name)
    notebook = opened(name)
    for cell in code(notebook):
        cell.outputs, cell.execution_count = [], None
        cell.source = re.sub(r"(?m)^PICTURES = \d+", f"PICTURES = {FEWER}", cell.source)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    # Raises with the traceback of the cell that fails.
    client.execute()
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert [shown(cell) for cell in code(notebook)] == [shown(cell) for cell in code(committed)]
