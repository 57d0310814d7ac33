import io
import itertools

import pytest

from decamo.report.rate import RateLines, progress_of


def test_lines_say_how_many_of_how_many_and_how_fast() -> None:
    now = [0.0]
    said: list[str] = []
    lines = RateLines(said.append, "scored", 400, clock=lambda: now[0])
    for _ in range(400):
        now[0] += 0.5
        lines.advance()
    assert said[0].startswith("scored ")
    assert all(line.endswith(" of 400, 2.0 a second") for line in said)
    counts = [int(line.split()[1]) for line in said]
    assert len({b - a for a, b in itertools.pairwise(counts)}) == 1  # evenly in time
    open_end: list[str] = []
    lines = RateLines(open_end.append, "scored", None, clock=lambda: now[0])
    now[0] += 1000
    lines.advance()
    assert open_end == ["scored 1, 0.0 a second"]


def test_a_terminal_gets_a_bar_and_a_file_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        with progress_of(stream, "scored", 3, done=1) as advance:
            advance()
            advance()
    assert "scored" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
    assert file.getvalue() == ""  # too soon for a line
