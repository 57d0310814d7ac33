"""The architecture, enforced: imports only go down, none hides inside a function."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import decamo

SOURCE = Path(decamo.__file__).parent

# Lowest first; a room may import from rooms on earlier lines only.
LADDER: list[set[str]] = [
    {"errors"},
    {"settings"},
    {"recipes", "geometry", "storage", "plan", "metrics"},
    {"data", "nn", "history"},
    {"losses"},
    {"inference"},
    {"evaluation"},
    {"training", "report"},
    {"flags"},
    {"commands"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(LADDER) for room in rooms}
FILES = sorted(p for p in SOURCE.rglob("*.py") if p != SOURCE / "__init__.py")

# What must load without torch: choosing and planning should be instant.
NO_TORCH = {"errors", "settings", "recipes", "plan", "metrics"}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of the modules that a tree imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_only_go_down(path: Path) -> None:
    own = room_of(path)
    assert own in LEVEL, f"{own} is not on the ladder"
    for name in imported(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] == "decamo" and len(parts) > 1 and parts[1] != own:
            assert LEVEL[parts[1]] < LEVEL[own], f"{own} imports {name}"
        if own in NO_TORCH:
            assert parts[0] not in {"torch", "torchvision", "timm"}, f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_import_hides_inside_a_function(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            hidden = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not hidden, f"{path.name}:{node.lineno} {node.name}"


def test_the_trainer_knows_no_listener() -> None:
    loop = (SOURCE / "training" / "trainer.py").read_text().lower()
    for listener in ("tensorboard", "journal", "console", "report", "rich"):
        assert listener not in loop.replace("a generator of events that knows no listener", "")
