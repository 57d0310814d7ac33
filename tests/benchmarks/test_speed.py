import importlib.util
import json
import sys
from pathlib import Path

import pytest

from benchmarks import speed, speed_limits
from benchmarks.__main__ import main
from benchmarks.loader import REFERENCE

SMALL = ["--backbone", "mobilenetv2_035", "--img-size", "64", "--device", "cpu"]


def test_the_short_form_holds_what_does_not_drift_to_its_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "short.json"
    words = ["speed", "--short", *SMALL, "--img-size", "160", "--batch-size", "1"]
    assert main([*words, "--json", str(report)]) == 0
    assert "BROKEN" not in capsys.readouterr().out
    limits = json.loads(report.read_text())["limits"]
    assert all(limit["kept"] for limit in limits)
    monkeypatch.setattr(speed_limits, "MAX_PARAMETERS", 1)
    assert main(words) == 1
    broken = [line for line in capsys.readouterr().out.splitlines() if "BROKEN" in line]
    assert [line.split()[0] for line in broken] == ["parameters"]


@pytest.mark.long
def test_every_part_is_told_or_skipped_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "SIZES", ((64, 64),))
    report = tmp_path / "speed.json"
    nothing = tmp_path / "python"  # a Python that has no packages
    nothing.write_text("#!/bin/sh\nexit 3\n")
    nothing.chmod(0o755)
    # An export takes half a minute.
    parts = [part for part in speed.PARTS if part != "forward"]
    words = ["--rounds", "1", "--reference-python", str(nothing), "--json", str(report)]
    tiny = ["--backbone", "test_efficientnet", *SMALL[2:]]
    assert main(["speed", *tiny, "--only", *parts, *words]) == 0
    out = capsys.readouterr().out
    for part in ("loader", "scoring", "training", "launch", "folder"):
        assert f"{part}: skipped" in out
    told = json.loads(report.read_text())
    assert {line["part"] for line in told["lines"]} == {"network", "step", "metrics"}
    goals = {line["what"].split(": ")[-1]: line["goal"] for line in told["lines"][:3]}
    assert goals == {"forward": 1.25, "forward + backward": 1.25, "memory that training keeps": 1.2}
    assert all(line["goal"] == 12 for line in told["lines"] if line["part"] == "metrics")


def test_the_loader_is_held_against_the_reference(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = {"ratio": 5.0, "low": 4.5, "high": 5.5}
    found = {REFERENCE: {"times": {"cache": spread, "cache off": spread}}}
    monkeypatch.setattr(speed, "loader_rounds", lambda args: (found, args.images))
    monkeypatch.setattr(speed, "lacks", lambda _python: "")
    words = ["--only", "loader", "--reference-python", sys.executable]
    assert main(["speed", *words]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "albumentations" in line]
    assert [">= 4.5  met" in lines[0], ">= 1.5  met" in lines[1]] == [True, True]


@pytest.mark.parametrize(("code", "out"), [(3, 0), (1, 2)])
def test_only_one_exit_code_of_the_reference_means_a_missing_package(
    code: int, out: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho no room >&2\nexit {code}\n")
    python.chmod(0o755)
    words = ["speed", "--only", "loader", "--reference-python", str(python)]
    assert main(words) == out
    told = capsys.readouterr()
    assert ("loader: skipped" in told.out) == (code == 3)
    assert "no room" in (told.err if out else told.out)


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--batch-size", "0"], ["--only", "lunch"]])
def test_what_cannot_be_measured_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["speed", *words]) == 2
    assert words[0] in capsys.readouterr().err


def test_packages_of_exporting_are_asked_for_by_the_part_that_needs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for package in ("openvino", "onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    for module in ("speed_forward", "forward_way"):
        monkeypatch.delitem(sys.modules, f"benchmarks.{module}", raising=False)
    spec = importlib.util.find_spec("benchmarks.speed")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
