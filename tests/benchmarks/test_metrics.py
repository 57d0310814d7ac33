import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import metrics
from benchmarks.__main__ import main


def test_all_measures_are_timed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SIZES", ((96, 96), (96, 128)))
    report = tmp_path / "time.json"
    assert main(["metrics", "--repeats", "2", "--json", str(report)]) == 0
    out = capsys.readouterr().out
    told = json.loads(report.read_text())
    assert told.pop("decamo")
    assert list(told) == ["96x96 black", "96x96 faint", "96x128 black", "96x128 faint"]
    assert [line.split()[:2] for line in out.splitlines() if "x" in line.split()[0]] == [
        name.split() for name in told
    ]
    for size in told.values():
        assert 0 < size["ratio_low"] <= size["ratio"] <= size["ratio_high"]
        assert min(size["decamo_ms"], size["pysodmetrics_ms"]) > 0


def test_the_missing_toolbox_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec

    def missing(name: str, *args: Any) -> Any:
        return None if name == "py_sod_metrics" else real(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    assert main(["metrics"]) == 2
    assert "pip install pysodmetrics" in capsys.readouterr().err


def test_no_repeat_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "--repeats", "0"]) == 2
    assert "--repeats" in capsys.readouterr().err
