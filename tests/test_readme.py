"""The README's tree is true: every source file stands in it once, with its role, and no other."""

import re
from pathlib import Path

import decamo
from decamo.cli import COMMANDS

SOURCE = Path(decamo.__file__).parent
README = SOURCE.parents[1] / "README.md"


def tree() -> dict[str, str]:
    """Path below ``src/decamo`` -> role, as the README's tree has it."""
    block = README.read_text().split("## The tree")[1].split("```")[1]
    entries: dict[str, str] = {}
    room = ""
    for line in block.strip().splitlines():
        match = re.fullmatch(r"( *)([\w/]+/|\w+\.py)\s+(\S.*)", line)
        assert match, line
        indent, name, role = match.groups()
        room = ("" if not indent else room) if name.endswith(".py") else name
        entries[name if name == room else (room if indent else "") + name] = role
    return entries


def test_every_file_is_in_the_tree_and_no_other() -> None:
    files = {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if path.name != "__init__.py"
    }
    assert {name for name in tree() if name.endswith(".py")} == files


def test_every_command_is_in_the_table() -> None:
    for name in COMMANDS:
        assert f"`decamo {name}" in README.read_text()
