"""The README stays short, and what it names exists: folders and commands."""

import re
import subprocess
from pathlib import Path

import pytest

import decamo
from decamo.cli import COMMANDS

SOURCE = Path(decamo.__file__).parent
ROOT = SOURCE.parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def tree() -> dict[str, str]:
    """Folder -> what it is for, as the README's tree has them."""
    block = README.split("## The tree")[1].split("```")[1]
    entries: dict[str, str] = {}
    for line in block.strip().splitlines():
        match = re.fullmatch(r"( *)([\w/]+)/ +(\S.*)", line)
        assert match, line
        indent, name, role = match.groups()
        entries[f"src/decamo/{name}" if indent else name] = role
    return entries


def folders() -> set[str]:
    """Top-level folders that git follows, and those of the package that hold modules."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("no git checkout")
    files = listed.stdout.splitlines()
    top = {file.partition("/")[0] for file in files if "/" in file and not file.startswith(".")}
    package = {str(p.parent.relative_to(ROOT)) for p in SOURCE.rglob("*.py")}
    return (top - {"src"}) | package


def test_every_folder_is_in_the_tree_and_no_other() -> None:
    assert set(tree()) == folders()


def test_every_command_is_in_the_readme_and_on_the_page_of_commands() -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"`decamo {name}" in README
        assert f"`decamo {name}" in page


def test_it_is_read_in_a_few_minutes() -> None:
    assert len(README.splitlines()) <= 170


@pytest.mark.parametrize("picture", re.findall(r"!\[[^]]+\]\(([^)]+)\)", README))
def test_its_pictures_are_small(picture: str) -> None:
    assert 0 < (ROOT / picture).stat().st_size <= 150 * 1024
