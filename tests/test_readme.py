"""Both READMEs say the same and nothing that is not so: commands, figures, links, flags."""

import re
import shlex
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
import typer

from tlpipe.cli.app import app

ROOT = Path(__file__).parents[1]
NAMES = ("README.md", "README.zh-CN.md")
COMMANDS = ("tlpipe ", "pip ", "python", "git ", "sbatch", "srun", "export")


def split(name: str) -> tuple[list[str], list[str]]:
    """The lines inside fenced blocks and those outside."""
    code, prose, fenced = [], [], False
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        else:
            (code if fenced else prose).append(line)
    assert not fenced
    return code, prose


def commands(name: str) -> list[str]:
    code, _ = split(name)
    return [line.split("  #")[0].rstrip() for line in code if line.startswith(COMMANDS)]


def tables(name: str) -> list[list[str]]:
    """The rows of each table."""
    found, inside = [], False
    for line in split(name)[1]:
        if line.startswith("|") and not inside:
            found.append([])
        inside = line.startswith("|")
        if inside:
            found[-1].append(line)
    return found


def figures(row: str) -> Counter[float]:
    """Decimal figures; '.863' and '0.863' are the same."""
    return Counter(float(figure) for figure in re.findall(r"\d*\.\d+(?:e-?\d+)?", row))


def used() -> list[tuple[str, str]]:
    """Each (subcommand, flag) in the English code blocks: 'cache fill' is one subcommand."""
    found = set()
    for line in commands(NAMES[0]):
        for part in re.findall(r"\btlpipe ([^&|;']+)", line):
            words = shlex.split(part)
            name = " ".join(words[:2] if words[0] == "cache" else words[:1])
            found |= {(name, word.split("=")[0]) for word in words if word.startswith("--")}
    return sorted(found)


def test_the_same_commands():
    assert commands(NAMES[0])
    assert commands(NAMES[1]) == commands(NAMES[0])


def test_the_same_headings():
    levels = [
        [found[1] for line in split(name)[1] if (found := re.match(r"(#+) ", line))]
        for name in NAMES
    ]
    assert levels[0]
    assert levels[1] == levels[0]


def test_the_same_tables():
    english, chinese = (tables(name) for name in NAMES)
    assert english
    assert [len(table) for table in chinese] == [len(table) for table in english]
    for one, other in zip(chain(*english), chain(*chinese), strict=True):
        assert figures(other) == figures(one), other


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    targets = re.findall(r"\]\(([^)\s]+)\)", "\n".join(split(name)[1]))
    assert targets
    for target in targets:
        if not re.match(r"[a-z]+:|#", target):
            assert (ROOT / target.split("#")[0]).exists(), target


@pytest.mark.parametrize(("name", "flag"), used())
def test_flags_exist(name, flag):
    command = typer.main.get_command(app)
    for word in name.split():
        command = command.commands[word]
    assert flag in {option for param in command.params for option in param.opts}
