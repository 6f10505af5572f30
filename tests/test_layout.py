"""The layout is the architecture: imports run downwards, files stay short, the CLI starts light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "tlpipe"
FILES = sorted(ROOT.rglob("*.py"))
# From the top down; rooms on one line don't import one another.
FLOORS = [
    {"cli"},
    {"search"},
    {"api"},
    {"stages"},
    {"check", "export"},
    {"audit"},
    {"explain", "inspect", "dense"},
    {"artifact"},
    {"training"},
    {"targets", "demo"},
    {"metrics", "heads", "backbones", "data"},
    {"pipeline"},
    {"config"},
    {"errors"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "tlpipe" and len(parts) > 1 else None


def imported(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
            found += [f"{node.module}.{name.name}" for name in node.names]
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
    return found


@pytest.mark.parametrize("room", sorted(FLOOR))
def test_imports_run_downwards_only(room):
    files = [f for f in FILES if f.relative_to(ROOT).parts[0].removesuffix(".py") == room]
    assert files
    for file in files:
        for module in imported(ast.parse(file.read_text(encoding="utf-8"))):
            other = room_of(module)
            if other in FLOOR and other != room:
                assert FLOOR[other] > FLOOR[room], f"{file.relative_to(ROOT)} imports {module}"


def test_every_room_has_its_floor():
    rooms = {path.parent.relative_to(ROOT).parts[0] for path in FILES if path.parent != ROOT}
    assert rooms <= FLOOR.keys()


def test_no_file_is_long():
    long = {
        str(file.relative_to(ROOT)): lines
        for file in FILES
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 350
    }
    assert not long


def test_help_reads_no_heavy_library():
    heavy = ["keras", "tensorflow", "jax", "numpy", "cv2", "sklearn", "scipy", "matplotlib"]
    heavy += ["albumentations", "jinja2", "pydantic", "yaml"]
    code = f"import sys, tlpipe.cli.app; print(sorted(set({heavy}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
