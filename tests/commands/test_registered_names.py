"""Runs with a schedule that somebody registered, read where nobody has: a shell's commands."""

import json
from pathlib import Path
from typing import Any

import pytest

import decamo
from decamo.cli import main
from decamo.errors import SettingsError
from decamo.settings import schedule as lr_schedules


@pytest.fixture
def run_folder(scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder after two epochs at falling rates whose shape is not known any more."""
    monkeypatch.setattr(lr_schedules, "_REGISTERED", {})
    decamo.register_lr_schedule("linear", lambda done: 1 - done)
    decamo.train(
        recipe="demo", backbone="test_efficientnet", num_experts=2, img_size=32,
        dataset_path=[scenes], epochs=2, warmup_epochs=0, skip_stage1=True,
        scheduler="linear", num_workers=0, device="cpu", checkpoint_dir=tmp_path / "run",
    )  # fmt: skip
    monkeypatch.setattr(lr_schedules, "_REGISTERED", {})
    return tmp_path / "run"


def test_only_what_needs_its_rates_asks_for_it(
    run_folder: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def code(*args: object) -> int:
        return main([str(arg) for arg in args])

    assert "raw weights" in repr(decamo.load(run_folder / "best_model.pth"))
    assert code("diagnose", run_folder) == 0
    assert code("report", run_folder) == 0
    capsys.readouterr()

    assert code("train", "--resume-from", run_folder / "last.pth", "--epochs", 3) == 2
    assert "decamo.register_lr_schedule('linear', ...)" in capsys.readouterr().err

    further = ("--resume-from", run_folder / "last.pth", "--epochs", 3, "--scheduler", "cosine")
    plan = tmp_path / "plan.json"
    assert code("plan", *further, "--json", plan) == 0
    assert json.loads(plan.read_text())["word"] == "branch"
    assert code("train", *further) == 0
    records = (run_folder / "journal.jsonl").read_text().splitlines()
    assert json.loads(records[-1])["epoch"] == 3


@pytest.mark.parametrize(
    ("choice", "flag", "remedy"),
    [
        ({"scheduler": "cosin"}, "--scheduler", "did you mean cosine"),
        ({"stage1_scheduler": "linear"}, "--stage1-scheduler", "register_lr_schedule"),
        ({"experts": ["texture", "blurr"]}, "--experts", "register_expert"),
    ],
)
def test_a_plan_asks_for_names_that_nobody_registered(
    choice: dict[str, Any], flag: str, remedy: str
) -> None:
    with pytest.raises(SettingsError, match=remedy) as caught:
        decamo.plan(images=80, **choice)
    assert caught.value.what == flag
