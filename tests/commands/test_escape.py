import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from decamo.cli import main
from decamo.history import read_journal
from decamo.races.trial_files import read_result
from decamo.storage.owner_file import Holder
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


def test_a_race_that_runs_is_left_alone(
    stuck: Path, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stuck.parent / "escape"
    folder.mkdir()
    alive = replace(Holder.this(), process=os.getppid(), started="")
    (folder / ".owner-0001").write_bytes(alive.to_bytes())
    assert escape(scenes, stuck, "--only", "moments") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{folder} is in use: process {os.getppid()} on" in line
    assert line.endswith("wait for its end, stop it, or name another folder")
    assert [path.name for path in folder.iterdir()] == [".owner-0001"]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_ended_on_ray_the_same_command_goes_on_without(
    stuck: Path, scenes: Path, tmp_path: Path, number: int
) -> None:
    """An instance of this machine's own, which ends with the command, however that ends."""
    words = [
        sys.executable, "-m", "decamo.cli", "escape", str(stuck), "--dataset-path", str(scenes),
        "--device", "cpu", "--num-workers", "0", "--trial-epochs", "4", "--keep-all",
        "--only", "moments", "rate-x3",
    ]  # fmt: skip
    path = os.pathsep.join(p for p in sys.path if p)
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    on_ray = [*words, "--on", "ray", "--cpus-per-trial", "0.5"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(on_ray, env=environment, **pipes) as first:  # type: ignore[call-overload]
        assert first.stdout is not None
        told: list[str] = []
        while not told or " Epoch 87: " not in told[-1]:
            told.append(first.stdout.readline())
            assert told[-1], first.stderr.read()
        second = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert "is in use: process" in second.stderr
        first.send_signal(number)
        out, _ = first.communicate(timeout=240)
    if number != signal.SIGKILL:
        assert first.returncode == 128 + number
        name = signal.Signals(number).name
        assert f"stopped: on {name}; to go on: the same command" in out
    onward = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert onward.returncode == 0, onward.stderr
    assert "the race goes on" in onward.stdout
    root = stuck.parent / "escape"
    for name in ("control", "twin", "moments", "rate-x3"):
        found = read_result(root, name)
        if 4 in found.rungs:
            journal = read_journal(root / name / "journal.jsonl")
            epochs = [line["epoch"] for line in journal if line["kind"] == "epoch"]
            assert sorted(set(epochs)) == [87, 88, 89, 90]
            assert len(epochs) == 4 or number == signal.SIGKILL
    assert not list(root.rglob(".owner*")) + list(root.glob(".seen*")) or number == signal.SIGKILL
