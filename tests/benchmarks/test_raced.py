"""What the bench of races does; what it times is never asserted."""

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--branches", "3"), "--branches: got 3; give at least 4"),
        (("--workers", "1", "0"), "--workers: got 0; give at least 1"),
        (("--processes", "0"), "--processes: got 0; give at least 1"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    assert main(["raced", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(600)
def test_all_ways_train_as_many_epochs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--work", str(tmp_path / "work"), "--json", str(tmp_path / "report.json")]
    small = ["--branches", "4", "--trial-epochs", "2", "--images", "20", "--img-size", "32"]
    assert main(["raced", *words, *small]) == 0
    ways = json.loads((tmp_path / "report.json").read_text())["ways"]
    assert {way["name"]: way["epochs"] for way in ways} == {
        "1 plain process": 8, "2 plain processes": 8, "Ray, 1 worker": 8, "Ray, 2 workers": 8,
    }  # fmt: skip
    assert "2 plain processes" in capsys.readouterr().out
