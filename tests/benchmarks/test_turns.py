"""Programs that wait for their turn: one number a turn, and an end that is told."""

import os
from pathlib import Path

import pytest

from benchmarks.turns import waiting
from decamo.errors import DecamoError

_PROGRAM = """
import sys
print("no number of a turn", file=sys.stderr)
for turn, _ in enumerate(sys.stdin):
    if turn == 2:
        raise SystemExit(3)
    print(float(sys.argv[1]) + turn, flush=True)
"""


@pytest.fixture(autouse=True)
def _on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "counts.py").write_text(_PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_each_answers_in_its_turn() -> None:
    with waiting("counts", {"one": ["1"], "ten": ["10"]}) as running:
        said = [[program.turn() for program in running.values()] for _ in range(2)]
        ids = [program.process.pid for program in running.values()]
    assert said == [[1, 10], [2, 11]]
    for pid in ids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_one_that_ended_is_told_with_its_code_and_last_word() -> None:
    with waiting("counts", {"one": ["1"]}) as running:
        program = running["one"]
        program.turn()
        program.turn()
        for _ in range(2):
            with pytest.raises(DecamoError, match="counts 1: ended with code 3: no number"):
                program.turn()
