from pathlib import Path

import pytest

from decamo.cli import main


def test_make_scenes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "scenes"
    words = ["data", "make-scenes", str(root), "--train", "5", "--test", "2", "--size", "32"]
    assert main(words) == 0
    assert "5 training and 2 test scenes" in capsys.readouterr().out
    assert len(list((root / "Train" / "Image").iterdir())) == 5
    assert len(list((root / "Test" / "GT_Object").iterdir())) == 2


def test_a_verb_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
