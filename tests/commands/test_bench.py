import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from decamo.cli import main


def test_the_cost_of_the_seeds_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "cost.json"
    assert main(["bench", "network", "--json", str(report)]) == 0
    out = capsys.readouterr().out
    assert "edgenext_base + 7 experts" in out
    costs = json.loads(report.read_text())
    bare, whole = costs["edgenext_base"], costs["edgenext_base + 7 experts"]
    assert bare["parameters"] / 1e6 == pytest.approx(17.9, abs=0.05)
    assert bare["flops"] / 1e9 == pytest.approx(17.2, abs=0.05)
    assert whole["flops"] <= 1.5 * bare["flops"]


def test_all_measures_are_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "time.json"
    assert main(["bench", "metrics", "--repeats", "1", "--json", str(report)]) == 0
    assert "768x1024" in capsys.readouterr().out
    for size in json.loads(report.read_text()).values():
        assert size["ratio_low"] <= size["ratio"] <= size["ratio_high"]
        assert size["ratio"] > 2  # far below what a quiet machine shows


def test_the_missing_toolbox_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.import_module

    def missing(name: str, *args: Any) -> Any:
        if name == "py_sod_metrics":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert main(["bench", "metrics"]) == 2
    assert "pip install pysodmetrics" in capsys.readouterr().err


def test_no_repeat_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "metrics", "--repeats", "0"]) == 2
    assert "--repeats" in capsys.readouterr().err


def test_scoring_processes_are_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "workers.json"
    words = ["--images", "4", "--size", "48", "64", "--repeats", "1", "--json", str(report)]
    assert main(["bench", "workers", *words]) == 0
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
    assert main(["bench", "workers", *words]) == 2
    assert words[0] in capsys.readouterr().err
