import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main


def test_all_measures_are_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "time.json"
    assert main(["metrics", "--repeats", "1", "--json", str(report)]) == 0
    assert "768x1024" in capsys.readouterr().out
    told = json.loads(report.read_text())
    assert told.pop("decamo")
    for size in told.values():
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
    assert main(["metrics"]) == 2
    assert "pip install pysodmetrics" in capsys.readouterr().err


def test_no_repeat_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "--repeats", "0"]) == 2
    assert "--repeats" in capsys.readouterr().err
