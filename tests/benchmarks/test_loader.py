import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main


def test_pipelines_are_timed_in_turn(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "loader.json"
    words = ["--dataset-path", str(scenes), "--images", "3", "--size", "32", "--repeats", "2"]
    assert main(["loader", *words, "--json", str(report)]) == 0
    out = capsys.readouterr().out
    assert "3 images at 32 px, CPU time, in turn, median of 2 rounds" in out
    told = json.loads(report.read_text())
    assert told.pop("decamo")
    floors = {"cache, resized alone", "files, decoded alone"}
    assert {"cache", "cache off", "Pillow + torchvision v2", *floors} <= set(told)
    for way in told.values():
        assert way["images_per_second"] > 0
        for spread in way["times"].values():
            assert 0 < spread["low"] <= spread["ratio"] <= spread["high"]
    assert told["cache"]["times"]["cache"]["ratio"] == 1
    assert ("--reference-python" in out) == ("OpenCV + albumentations" not in told)


@pytest.mark.parametrize("words", [["--size", "9"], ["--images", "0"], ["--repeats", "0"]])
def test_what_cannot_be_measured_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["loader", *words]) == 2
    assert words[0] in capsys.readouterr().err


def test_a_reference_that_fails_is_not_one_that_is_missing(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "python"  # has the packages, as far as one asks without photographs
    python.write_text("#!/bin/sh\n[ $# -eq 3 ] && exit 0\necho out of luck >&2\nexit 1\n")
    python.chmod(0o755)
    words = ["--dataset-path", str(scenes), "--images", "2", "--size", "32", "--repeats", "1"]
    assert main(["loader", *words, "--reference-python", str(python)]) == 2
    assert "ended with code 1: out of luck" in capsys.readouterr().err
