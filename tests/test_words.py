"""What is said to people: counts, and that every message says what to do next."""

import ast
from pathlib import Path

import pytest

import tlpipe
from tlpipe import errors
from tlpipe.words import counted, listed, shown, were

ROOMS = ("artifact", "check", "cli", "data", "export", "pipeline", "stages", "targets")


def test_one_is_no_plural():
    assert [counted(n, "picture") for n in (0, 1, 2)] == ["0 pictures", "1 picture", "2 pictures"]
    assert [counted(n, "class") for n in (1, 3)] == ["1 class", "3 classes"]
    assert counted(2, "group of copies", "groups of copies") == "2 groups of copies"
    assert counted(1, "group of copies", "groups of copies") == "1 group of copies"
    assert (were(1), were(2)) == ("was", "were")


def test_lists_and_names():
    assert listed(["blur"]) == "blur"
    assert listed(["blur", "noise", "rotation"]) == "blur, noise and rotation"
    assert shown("a b.jpg") == "a b.jpg"
    assert shown("caf\udce9.jpg") == "caf\\udce9.jpg"
    assert shown("cat\r/1.jpg") == "cat\\r/1.jpg"


@pytest.mark.parametrize("room", ROOMS)
def test_every_message_says_what_to_do_next(room):
    kinds = {name for name in vars(errors) if name.endswith("Error")}
    silent, seen = [], 0
    for file in sorted((Path(tlpipe.__file__).parent / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in kinds:
                seen += 1
                if "todo" not in {keyword.arg for keyword in node.keywords}:
                    silent.append(f"{file.name}:{node.lineno}")
    assert seen
    assert not silent
