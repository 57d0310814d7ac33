"""What the README names exists."""

from pathlib import Path

from decamo.cli import COMMANDS

README = Path(__file__).parents[1] / "README.md"


def test_every_command_is_in_the_table() -> None:
    for name in COMMANDS:
        assert f"`decamo {name}" in README.read_text()
