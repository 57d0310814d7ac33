import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main


@pytest.mark.long
def test_scoring_processes_are_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "workers.json"
    words = ["--images", "4", "--size", "48", "64", "--repeats", "1", "--json", str(report)]
    assert main(["workers", *words]) == 0
    out = capsys.readouterr().out
    assert "4 maps of 48x64, in turn, median of 1 rounds" in out
    told = json.loads(report.read_text())
    assert (told["workers"], told["images"], told["size"]) == (2, 4, [48, 64])
    assert all(told[way]["ratio"] > 0 for way in ("scoring", "command", "machine"))


@pytest.mark.parametrize(
    "words", [["--workers", "1"], ["--images", "0"], ["--repeats", "0"], ["--size", "9", "99"]]
)
def test_what_cannot_be_compared_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["workers", *words]) == 2
    assert words[0] in capsys.readouterr().err
