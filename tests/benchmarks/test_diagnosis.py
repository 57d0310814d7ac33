import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main


def test_the_confusion_of_a_few_runs_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "confusion.json"
    assert main(["diagnosis", "--curves", "3", "--json", str(report)]) == 0
    out = capsys.readouterr().out
    assert "3 runs of each sort; false alarms on healthy ones" in out
    told = json.loads(report.read_text())
    assert len(told["verdicts"]) == 7
    assert all(sum(counts.values()) == 3 for counts in told["verdicts"].values())


@pytest.mark.parametrize("words", [["--curves", "0"], ["--seed", "-1"]])
def test_what_cannot_be_made_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnosis", *words]) == 2
    assert words[0] in capsys.readouterr().err
