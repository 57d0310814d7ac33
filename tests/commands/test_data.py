import json
import shutil
from pathlib import Path

import pytest

from decamo.cli import main
from decamo.data import load_cache


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


@pytest.fixture
def leaky(tmp_path: Path, scenes: Path) -> Path:
    """The scenes with one training image in the test set too, under another name."""
    root = tmp_path / "leaky"
    shutil.copytree(scenes, root)
    image = sorted((root / "Train" / "Image").iterdir())[0]
    mask = next((root / "Train" / "GT_Object").glob(f"{image.stem}.*"))
    shutil.copy(image, root / "Test" / "Image" / f"other{image.suffix}")
    shutil.copy(mask, root / "Test" / "GT_Object" / f"other{mask.suffix}")
    return root


def test_audit_writes_what_is_asked_for(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, page, manifest = (tmp_path / name for name in ("a.json", "a.html", "run/census.json"))
    words = ["--json", str(report), "--html", str(page), "--manifest", str(manifest)]
    assert main(["data", "audit", str(leaky), *words, "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "leak: 1" in out
    assert "same bytes" in out
    told = json.loads(report.read_text())
    assert told["counts"]["leak"] == 1
    assert told["copies"][0]["how"] == "same bytes"
    assert page.read_text().count("data:image/jpeg;base64,") == 2
    assert len(load_cache(manifest)) == 15 + 5


def test_strict_is_for_scripts(leaky: Path, scenes: Path) -> None:
    assert main(["data", "audit", str(leaky), "--strict", "--workers", "1"]) == 2
    assert main(["data", "audit", str(scenes), "--strict", "--workers", "1"]) == 0


def test_audit_of_nothing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "audit", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("words", [["--workers", "0"], ["--timeout", "-1"], ["--timeout", "nan"]])
def test_audit_needs_time_and_hands(
    scenes: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "audit", str(scenes), *words]) == 2
    assert words[0] in capsys.readouterr().err
