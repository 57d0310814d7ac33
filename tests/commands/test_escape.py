import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from decamo.cli import main
from decamo.storage.sealed import load_sealed


def escape(scenes: Path, checkpoint: Path, *words: str) -> int:
    given = ["--dataset-path", str(scenes), "--device", "cpu", "--num-workers", "0"]
    return main(["escape", str(checkpoint), *given, "--trial-epochs", "1", *words])


def test_a_race_ends_with_a_table_and_given_again_trains_nothing(
    stuck: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--only", "moments", "--json", str(tmp_path / "race.json"))
    assert escape(scenes, stuck, *words) == 0
    first = capsys.readouterr().out
    assert "a race: 3 branches" in first
    assert first.count("Epoch 87: Loss: ") == 3
    assert "what does chance alone move?" in first
    report = json.loads((tmp_path / "race.json").read_text())
    assert [b["name"] for b in report["branches"]] == ["control", "twin", "moments"]
    assert not (stuck.parent / "escape" / "twin").is_dir()
    assert escape(scenes, stuck, *words) == 0
    again = capsys.readouterr().out
    assert "Epoch 87" not in again
    assert again.split("\n\n", 1)[1] == first.split("\n\n", 1)[1]


def test_the_winner_goes_on_from_the_original_checkpoint(
    stuck: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With scores that say so: what a real race finds after one epoch is not for a test to say."""
    branches = tmp_path / "branches.toml"
    branches.write_text("[branch.high]\nstage2_lr = 0.001\nscheduler = 'cosine'\nepochs = 87\n")
    words = ("--branches", str(branches), "--keep-all")
    assert escape(scenes, stuck, *words) == 0
    path = stuck.parent / "escape" / "high.json"
    found = json.loads(path.read_text())
    control = json.loads((path.parent / "control.json").read_text())
    twin = json.dumps(control | {"name": "twin"})
    (path.parent / "twin.json").write_text(twin)
    ious = control["rungs"]["1"]["ious"]
    found["rungs"]["1"]["ious"] = {k: v + 0.3 for k, v in ious.items()}
    path.write_text(json.dumps(found))
    capsys.readouterr()
    assert escape(scenes, stuck, *words, "--continue") == 0
    told = capsys.readouterr().out
    assert "winner: high, better than the control by 0.3000" in told
    assert "branch: epoch 87 to 87" in told
    assert "no flag changes" not in told
    last = load_sealed(stuck.parent / "last.pth")
    assert last["position"]["epoch"] == 87
    assert last["ledger"][-1]["reason"].startswith("escape, 3 trials of 1 epochs: winner: high")
    assert (stuck.parent / "best_model.epoch-0086.pth").exists()
    assert escape(scenes, stuck, *words, "--continue") == 0
    assert "complete: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--trial-epochs", "0"), "--trial-epochs: got 0; give at least 1"),
        (("--only", "rate-x4"), "--only: got 'rate-x4'; did you mean rate-x3"),
        (("--branches", "nowhere.toml"), "nowhere.toml"),
        (("--budget", "soon"), "--budget: got 'soon'"),
    ],
)
def test_a_mistake_is_one_line(
    stuck: Path, scenes: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    assert escape(scenes, stuck, *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_a_budget_that_is_spent_says_how_to_go_on(
    stuck: Path, scenes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decamo.training.stops.Budget.over", lambda _self: "")  # not while looking
    assert escape(scenes, stuck, "--only", "moments", "--budget", "1s") == 75
    assert "the budget of 1s is spent; to go on: the same command" in capsys.readouterr().out


def test_a_budget_that_is_spent_before_the_race_is_a_mistake(
    stuck: Path, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert escape(scenes, stuck, "--only", "moments", "--budget", "1s") == 2
    assert "the budget of 1s is spent before the race began" in capsys.readouterr().err


def test_torchrun_is_told_what_to_do_instead(
    stuck: Path, scenes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert escape(scenes, stuck) == 2
    assert "start the command once, with --on ray" in capsys.readouterr().err


@pytest.mark.long
def test_two_processes_share_the_trials_and_agree(stuck: Path, scenes: Path) -> None:
    words = [
        sys.executable, "-m", "decamo.cli", "escape", str(stuck), "--dataset-path", str(scenes),
        "--device", "cpu", "--num-workers", "0", "--trial-epochs", "2",
        "--only", "moments", "rate-x3", "anneal", "batch-x2",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    both = [
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    told = [one.communicate()[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    lines = [line.split() for text in told for line in text.splitlines() if " Epoch " in line]
    trained = Counter((line[0], line[2]) for line in lines)
    assert len(trained) == 12
    assert set(trained.values()) == {1}  # no epoch of a trial twice
    tables = {text[text.index(" branch ") :] for text in told}
    assert len(tables) == 1
