import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.forecast import CURVES
from benchmarks.forecast_backtest import Bet, bets, trials, widening_for
from decamo.history import read_training_log

SCRIPT = CURVES.parents[2] / "scripts" / "curves_from_journals.py"


def record(folder: Path, name: str, seed: int, count: int = 24) -> None:
    generator = np.random.default_rng(seed)
    with (folder / f"{name}.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "iou", "lr"])
        ious = 0.4 + 0.1 * (1 - np.exp(-np.arange(count) / 6)) + generator.normal(0, 0.01, count)
        writer.writerows([e + 1, f"{iou:.4f}", "0.001"] for e, iou in enumerate(ious))


def test_the_curves_of_a_folder_are_foretold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in enumerate("abc"):
        record(tmp_path, name, seed)
    report = tmp_path / "forecast.json"
    assert main(["forecast", "--curves", str(tmp_path), "--json", str(report)]) == 0
    out = capsys.readouterr().out
    assert "3 runs, cut after 30%, 50%, 70% of their epochs: 9 forecasts" in out
    assert "what counts is the number of runs, and these are few" in out
    told = json.loads(report.read_text())
    assert [row["name"] for row in told["runs"]] == ["a", "b", "c"]
    assert told["all"]["runs"] == 3
    assert 0 <= told["forecasts_nearer_than_last"] <= told["forecasts"] == 9


def test_the_chances_of_a_curve_are_told_with_the_widening_of_the_others(tmp_path: Path) -> None:
    for seed, name in enumerate("abc"):
        record(tmp_path, name, seed)
    report = tmp_path / "forecast.json"
    assert main(["forecast", "--curves", str(tmp_path), "--json", str(report)]) == 0
    pasts = {name: read_training_log([tmp_path / f"{name}.csv"]) for name in "abc"}
    asked = list[Bet]()
    for name, past in pasts.items():
        others = [t for other in pasts if other != name for t in trials(other, pasts[other])]
        asked += bets(name, past, widening=widening_for(others))
    shipped = [b for name, past in pasts.items() for b in bets(name, past)]
    told = json.loads(report.read_text())["chances"]
    for one in told:
        left_out, usual = (
            [b.chance for b in found if b.gain == one["gain"]] for found in (asked, shipped)
        )
        assert one["foretold"] == pytest.approx(np.mean(left_out), abs=1e-9)
        assert one["foretold"] != pytest.approx(np.mean(usual), abs=1e-3)


def test_the_recorded_curves_of_the_checkout_are_found() -> None:
    assert len(list(CURVES.glob("*.csv"))) >= 7


@pytest.mark.parametrize("names", ["", "a"])
def test_a_folder_without_enough_curves_is_refused(
    names: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in enumerate(names):
        record(tmp_path, name, seed)
    assert main(["forecast", "--curves", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_every_recorded_curve_is_in_the_table_of_flags_and_names_no_path() -> None:
    text = (CURVES / "README.md").read_text()
    for file in CURVES.glob("*.csv"):
        assert f"| {file.stem} |" in text
    assert "/tmp" not in text
    assert "/work" not in text


def test_a_curve_made_from_a_journal_reads_as_the_journal_did(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("curves_from_journals", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    run = tmp_path / "a-run"
    run.mkdir()
    lines: list[dict[str, object]] = [
        {"kind": "epoch", "epoch": e, "stage": 2, "loss": 1 / e, "iou": e / 10, "lr": {"head": 0.1}}
        for e in (1, 2, 3)
    ]
    journal = run / "journal.jsonl"
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    past = read_training_log([journal])
    script.write_curve(tmp_path / "a.csv", past)
    again = read_training_log([tmp_path / "a.csv"])
    for name in ("epoch", "loss", "iou", "lr"):
        assert [getattr(p, name) for p in again.points] == pytest.approx(
            [getattr(p, name) for p in past.points], rel=1e-5
        )
    assert script.main(tmp_path / "out", [run]) == 0  # no plan, so no planned end: left out
    assert not list((tmp_path / "out").glob("*.csv"))
