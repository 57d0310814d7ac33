"""``decamo train`` as the action plan's readers use it, through the parser, on real files."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from decamo.cli import main
from decamo.history import EpochDone, Event, Saved, StepDone, Validating, read_journal
from decamo.report.console import Console
from decamo.storage.owner_file import Holder
from decamo.storage.sealed import load_sealed, save_sealed
from decamo.system import stop_signals
from decamo.training.choosing import choose_settings
from decamo.training.stops import Budget
from tests.commands.conftest import STUCK_FLAGS

EPOCH = re.compile(
    r"^Epoch (\d+): Loss: (\d+\.\d{4}) \| IoU: (0\.\d{4}|1\.0000) \| Dice: (0\.\d{4}|1\.0000)"
    r" \| LR: (\d\.\d{6})$",
    re.M,
)

# Word for word but for paths, epochs, backbone, experts and size; the resume takes workers 0.
OPTION_1 = """train
    --dataset-path {data}
    --checkpoint-dir {folder}
    --resume-from {folder}/best_model.pth
    --skip-stage1
    --backbone test_efficientnet
    --num-experts 3
    --batch-size 2
    --stage2-batch-size 1
    --accumulation-steps 4
    --img-size 32
    --epochs {epochs}
    --stage1-epochs 30
    --lr 0.00025
    --stage2-lr 0.0002
    --scheduler cosine
    --min-lr 0.00001
    --progressive-unfreeze
    --deep-supervision
    --num-workers 0"""
OPTION_2 = OPTION_1.replace("--stage2-lr 0.0002", "--stage2-lr 0.0003").replace(
    "--min-lr 0.00001", "--min-lr 0.00002"
)
OPTION_3 = OPTION_2.replace("--img-size 32", "--img-size 64 --warmup-epochs 3")


def rates(text: str) -> dict[int, str]:
    """Epoch -> learning rate as printed."""
    return {int(m[1]): m[5] for m in EPOCH.finditer(text)}


def command(option: str, stuck: Path, scenes: Path, epochs: int, *more: str) -> list[str]:
    words = option.format(data=scenes, folder=stuck.parent, epochs=epochs).split()
    return [*words, *more]


def test_option_1_goes_on_at_epoch_87_with_the_new_rate(
    stuck: Path, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(OPTION_1, stuck, scenes, 88)) == 0
    out = capsys.readouterr().out
    assert "branch: epoch 87 to 88" in out
    assert "--scheduler none -> cosine" in out
    assert rates(out)[87] == "0.000200"
    assert list(rates(out)) == [87, 88]
    folder = stuck.parent
    steps = [e for e in read_journal(folder / "journal.jsonl") if e["kind"] == "step"]
    assert steps[-1]["lr"]["head"] == 0.00001  # the plan's last step, exactly
    for step in steps:
        for level in range(4):
            backbone = step["lr"][f"backbone.{level}"]
            assert backbone == pytest.approx(0.1 * step["lr"]["head"])
    assert {p.name for p in folder.iterdir()} >= {
        "best_model.pth", "last.pth", "best_model.epoch-0086.pth", "config.toml", "plan.png",
    }  # fmt: skip
    assert load_sealed(folder / "best_model.epoch-0086.pth")["position"]["epoch"] == 86


def test_options_2_and_3(stuck: Path, scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(OPTION_2, stuck, scenes, 87)) == 0
    assert rates(capsys.readouterr().out)[87] == "0.000300"
    (stuck.parent / "last.pth").unlink()
    (stuck.parent / "best_model.epoch-0086.pth").replace(stuck)
    assert main(command(OPTION_3, stuck, scenes, 90, "--val-fraction", "0.6")) == 0
    out = capsys.readouterr().out
    assert "at 64 px" in out
    warm = rates(out)
    assert float(warm[87]) < float(warm[88]) < float(warm[89]) < float(warm[90]) == 0.0003


def test_the_schedules_origin_can_be_the_stage(
    stuck: Path, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(OPTION_1, stuck, scenes, 120, "--schedule-origin", "stage")
    assert main(["plan", *words[1:]]) == 0
    here = next(line for line in capsys.readouterr().out.splitlines() if "you are here" in line)
    assert here.split()[0] == "87"
    assert float(here.split()[1]) == pytest.approx(0.000069, rel=0.01)


def test_the_same_command_again_continues(
    stuck: Path, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(OPTION_1, stuck, scenes, 88)) == 0
    again = command(OPTION_1, stuck, scenes, 89)
    again[again.index("--resume-from") + 1] = str(stuck.parent / "last.pth")
    capsys.readouterr()
    assert main(again) == 0
    out = capsys.readouterr().out
    assert "extend: epoch 89 to 89" in out
    assert "--epochs 88 -> 89" in out


def test_a_run_is_repeated_from_its_config(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*STUCK_FLAGS, "--epochs", "2", "--stage1-epochs", "1", "--seed", "5"]
    first = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path / "a")]
    assert main([*first, *flags]) == 0
    one = EPOCH.findall(capsys.readouterr().out)
    config = str(tmp_path / "a" / "config.toml")
    assert main(["train", "--config", config, "--checkpoint-dir", str(tmp_path / "b")]) == 0
    assert EPOCH.findall(capsys.readouterr().out) == one
    assert len(one) == 2


def test_a_run_is_not_written_over(
    stuck: Path, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(stuck.parent)]
    assert main([*words, *STUCK_FLAGS]) == 2
    assert "already holds a run (best_model.pth)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        (["--epochs", "86"], "--epochs: got 86, but the checkpoint has 86 epochs behind it"),
        (["--stage1-epochs", "120", "--no-skip-stage1"], "--stage1-epochs: got 120"),
        (["--epochs", "88", "--warmup-epochs", "2"], "--warmup-epochs: got 2, but stage 2 has 2"),
        (["--backbone", "edgenext_xx_small"], "give --backbone test_efficientnet"),
        (["--num-experts", "5"], "give --num-experts 3"),
        (["--img-size", "100"], "--img-size: got 100"),
        (["--min-lr", "0.1"], "--min-lr: got 0.1, above --stage2-lr"),
        (["--dataset-path", "/nowhere"], "--dataset-path"),
        (["--resume-from", "/nowhere/best_model.pth"], "/nowhere/best_model.pth: No such file"),
        (["--device", "cuda:99"], "--device: got cuda:99"),
        (["--precision", "fp16", "--device", "cpu"], "--precision: got fp16 on a CPU"),
        (["--schedular", "cosine"], "did you mean --scheduler"),
        (["--lr", "fast"], "--lr: invalid float value: 'fast'"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(
    extra: list[str],
    named: str,
    stuck: Path,
    scenes: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = command(OPTION_1, stuck, scenes, 120)
    if extra[0] == "--dataset-path":  # it collects, so it is replaced
        words[words.index("--dataset-path") + 1] = extra[1]
        extra = []
    assert main([*words, *extra]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert named in captured.err
    assert "; " in captured.err
    assert load_sealed(stuck)["position"]["epoch"] == 86


@pytest.mark.timeout(60)  # a hub that cannot be reached is not waited for
@pytest.mark.parametrize(
    ("extra", "named"),
    [
        (["--backbone", "edgenext_bse"], "edgenext_base"),
        (["--backbone", "edgenext_small", "--pretrained"], "--backbone-weights"),
    ],
)
def test_a_backbone_that_cannot_be_had(
    extra: list[str],
    named: str,
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path / "run")]
    assert main([*words, *STUCK_FLAGS, *extra]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert named in captured.err


def test_one_unreadable_image_in_a_hundred_is_left_out_and_two_stop_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "make-scenes", str(tmp_path / "d"), "--train", "120", "--test", "1",
                 "--size", "32", "--noncam-share", "0"]) == 0  # fmt: skip
    images = sorted((tmp_path / "d" / "Train" / "Image").iterdir())
    words = ["train", "--dataset-path", str(tmp_path / "d"), *STUCK_FLAGS, "--epochs", "1",
             "--skip-stage1", "--val-fraction", "0.9"]  # fmt: skip
    images[3].write_bytes(b"<html>not found</html>")
    assert main([*words, "--checkpoint-dir", str(tmp_path / "one")]) == 0
    out = capsys.readouterr().out
    assert f"left out: {images[3]}" in out
    assert "1 unreadable" in out
    images[4].write_bytes(images[4].read_bytes()[:200])
    assert main([*words, "--checkpoint-dir", str(tmp_path / "two")]) == 2
    assert images[4].name in capsys.readouterr().err


def test_a_signal_from_without_saves(
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It comes at any moment after an epoch; none of the run's own code has raised it."""
    on_event, an_epoch_is_over = Console.on_event, threading.Event()

    def on_event_and_tell(console: Console, event: Event) -> None:
        on_event(console, event)
        if isinstance(event, EpochDone):
            an_epoch_is_over.set()

    def somebody() -> None:
        if an_epoch_is_over.wait(60):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Console, "on_event", on_event_and_tell)
    beside = threading.Thread(target=somebody)
    beside.start()
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path)]
    assert main([*words, *STUCK_FLAGS, "--epochs", "400", "--stage1-epochs", "1"]) == 143
    beside.join()
    assert "on SIGTERM; saved" in capsys.readouterr().out
    assert load_sealed(tmp_path / "last.pth")["position"]["step"] > 0


@pytest.mark.long
def test_a_signal_to_a_process_saves(scenes: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "decamo.cli", "train", "--dataset-path", str(scenes),
             "--checkpoint-dir", str(tmp_path), *STUCK_FLAGS, "--epochs", "400",
             "--stage1-epochs", "1"]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    run = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    assert run.stdout is not None
    for line in run.stdout:
        if line.startswith("Epoch 1:"):
            run.send_signal(signal.SIGTERM)
            break
    rest = run.stdout.read()
    assert run.wait(60) == 128 + signal.SIGTERM
    run.stdout.close()
    assert "on SIGTERM; saved" in rest
    assert load_sealed(tmp_path / "last.pth")["position"]["step"] > 0


def test_a_dry_run_tells_time_and_memory_and_leaves_no_run(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path / "run")]
    report = tmp_path / "dry.json"
    assert main([*words, *STUCK_FLAGS, "--dry-run", "--budget", "1h", "--json", str(report)]) == 0
    out = capsys.readouterr().out
    assert "the whole plan: " in out
    assert "1 session of 1h00m" in out
    assert json.loads(report.read_text())["seconds"] > 0
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["census.json"]


class TestTheSameCommandInEverySession:
    """``--resume auto``: one command line for all sessions."""

    def words(self, scenes: Path, folder: Path, *more: str) -> list[str]:
        return ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(folder),
                *STUCK_FLAGS, "--resume", "auto", *more]  # fmt: skip

    @pytest.fixture
    def short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sessions whose budget is spent when it was asked for the fourth time."""
        asked: dict[int, int] = {}

        def spent(budget: Budget) -> str:
            asked[id(budget)] = asked.get(id(budget), 0) + 1
            return f"the budget of {budget.words} is spent" if asked[id(budget)] >= 4 else ""

        monkeypatch.setattr(Budget, "spent", spent)

    def test_a_budget_ends_a_session_with_75_and_the_last_one_with_0(
        self, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], short: None
    ) -> None:
        plan = ["--epochs", "2", "--stage1-epochs", "1"]
        whole = tmp_path / "whole"
        assert main(self.words(scenes, whole, *plan)) == 0
        words = self.words(scenes, tmp_path / "run", *plan, "--budget", "1h")
        sessions = [main(words)]
        while sessions[-1] == 75:
            sessions.append(main(words))
        out = capsys.readouterr().out
        assert len(sessions) > 2
        assert sessions[-1] == 0
        assert "the budget of 1h is spent; saved" in out
        assert "to go on: the same command with --resume auto" in out
        ended, alone = (load_sealed(f / "last.pth") for f in (tmp_path / "run", whole))
        assert ended["position"] == alone["position"]
        assert all(torch.equal(t, ended["model"][n]) for n, t in alone["model"].items())
        assert main(words) == 0
        assert "complete: " in capsys.readouterr().out
        told = tmp_path / "plan.json"
        assert main(["plan", *words[1:], "--json", str(told)]) == 0
        assert capsys.readouterr().out.startswith(f"complete: {tmp_path / 'run/last.pth'} stands")
        assert json.loads(told.read_text(encoding="utf-8"))["word"] == "complete"

    def test_a_branch_is_begun_once_and_gone_on_with(
        self, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], short: None
    ) -> None:
        old = tmp_path / "old"
        assert main(["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(old),
                     *STUCK_FLAGS, "--epochs", "2", "--stage1-epochs", "1"]) == 0  # fmt: skip
        branch = self.words(scenes, old, "--resume-from", str(old / "best_model.pth"), "--epochs",
                            "4", "--stage2-lr", "0.0007", "--scheduler", "cosine",
                            "--reset-moments")  # fmt: skip
        capsys.readouterr()
        assert main([*branch, "--budget", "1h"]) == 75
        assert "branch: " in capsys.readouterr().out
        assert main(branch) == 0
        assert "continue: " in capsys.readouterr().out
        words = [s["word"] for s in load_sealed(old / "last.pth")["ledger"]]
        assert words == ["start", "branch"]

    def test_a_damaged_newest_checkpoint_gives_way_loudly(
        self, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], short: None
    ) -> None:
        words = self.words(scenes, tmp_path, "--epochs", "3", "--stage1-epochs", "1")
        assert main([*words, "--budget", "1h"]) == 75
        assert main([*words, "--budget", "1h"]) == 75
        last = tmp_path / "last.pth"
        last.write_bytes(last.read_bytes()[:-5000])
        capsys.readouterr()
        assert main(words) == 0
        said = capsys.readouterr()
        assert "last.pth cannot be used" in said.err
        assert "continue: " in said.out

    def test_a_budget_in_which_nothing_moves_is_a_mistake(
        self, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # else a shell's `until` would repeat it for ever
        words = self.words(scenes, tmp_path, "--epochs", "3", "--stage1-epochs", "1")
        assert main([*words, "--budget", "1s"]) == 2
        assert "--budget: got 1s, over before the first step" in capsys.readouterr().err

    def test_without_a_run_in_the_folder_it_starts_one(
        self, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = self.words(scenes, tmp_path / "new", "--epochs", "2", "--stage1-epochs", "1")
        assert main(words) == 0
        assert "start: epoch 1 to 2" in capsys.readouterr().out


PHASES: dict[str, Callable[[Event], bool]] = {
    "baseline": lambda e: isinstance(e, Validating),
    "stage 1": lambda e: isinstance(e, StepDone) and e.record.step == 1,
    "validation": lambda e: isinstance(e, EpochDone) and e.record.epoch == 1,
    "warm-up": lambda e: isinstance(e, StepDone) and e.record.step == 4,
    "saving": lambda e: isinstance(e, Saved) and e.position.epoch == 2,
    "last step of an epoch": lambda e: isinstance(e, StepDone) and e.done == e.of,
}


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("validation", signal.SIGINT),
        *(
            pytest.param(phase, number, marks=pytest.mark.long)
            for phase in PHASES
            for number in (*stop_signals(), signal.SIGINT)
        ),
    ],
)
def test_a_signal_in_any_phase_is_saved_within_a_step(
    phase: str, number: int, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps_after: list[int] = []
    sent: list[int] = []
    on_event = Console.on_event

    def on_event_and_signal(console: Console, event: Event) -> None:
        on_event(console, event)
        if sent and isinstance(event, StepDone):
            steps_after.append(event.record.step)
        if not sent and PHASES[phase](event):
            sent.append(1)
            signal.raise_signal(number)

    monkeypatch.setattr(Console, "on_event", on_event_and_signal)
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path),
             *STUCK_FLAGS, "--epochs", "3", "--stage1-epochs", "1", "--warmup-epochs", "1",
             "--resume", "auto"]  # fmt: skip
    assert main(words) == 128 + number
    assert sent
    assert len(steps_after) <= 1
    stopped = load_sealed(tmp_path / "last.pth")["position"]["step"]
    kinds = [e["kind"] for e in read_journal(tmp_path / "journal.jsonl")]
    assert kinds[-1] == "interrupted"
    assert stopped == sum(k == "step" for k in kinds)
    monkeypatch.undo()
    assert main(words) == 0
    assert load_sealed(tmp_path / "last.pth")["position"]["epoch"] == 3


def test_a_second_signal_stops_at_once(
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def twice(console: Console, event: Event) -> None:
        if isinstance(event, StepDone):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Console, "on_event", twice)
    monkeypatch.setattr("decamo.stop_signals._ONE_WISH", 0.0)  # not one wish that arrives twice
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path)]
    assert main([*words, *STUCK_FLAGS, "--epochs", "6", "--stage1-epochs", "1"]) == 130
    assert capsys.readouterr().err == "decamo: stopped at once\n"
    assert load_sealed(tmp_path / "last.pth")["position"]["step"] == 0  # saved before the first


def test_before_training_a_signal_stops_at_once(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("decamo.api.training.find_splits", look)
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path)]
    assert main([*words, *STUCK_FLAGS, "--epochs", "6", "--stage1-epochs", "1"]) == 143


def test_a_second_run_in_a_folder_is_refused_before_anything_is_read(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = replace(Holder.this(time.time()), process=os.getppid(), started="")
    (tmp_path / ".owner-0001").write_bytes(held.to_bytes())
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path)]
    for more in ([], ["--resume", "auto"], ["--dry-run"]):
        assert main([*words, *STUCK_FLAGS, *more]) == 2
        said = capsys.readouterr()
        assert f"{tmp_path} is in use: process {os.getppid()} on {held.host}, since" in said.err
        assert said.out == ""
    assert [p.name for p in tmp_path.iterdir()] == [".owner-0001"]


def test_a_run_that_ended_while_we_asked_is_seen_as_it_is_now(
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its owner was alive when the second command read the folder, and is gone when it is taken."""
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path)]
    words += [*STUCK_FLAGS, "--epochs", "2", "--stage1-epochs", "1", "--resume", "auto"]
    real = choose_settings
    read: list[int] = []

    def reads_and_waits(given: Any) -> Any:
        first = real(given)
        read.append(1)
        if len(read) == 1:
            assert main(words) == 0  # the other one
        return first

    monkeypatch.setattr("decamo.api.training.choose_settings", reads_and_waits)
    assert main(words) == 0
    assert "complete: " in capsys.readouterr().out
    assert sum(e["kind"] == "epoch" for e in read_journal(tmp_path / "journal.jsonl")) == 2


@pytest.mark.long
@pytest.mark.parametrize("how", ["| head -7", ">/dev/full", ">&-", "2>&-", ">&- 2>&- <&-"])
def test_a_run_outlives_its_output(how: str, scenes: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "decamo.cli", "train", "--dataset-path", str(scenes),
             "--checkpoint-dir", str(tmp_path / "run"), *STUCK_FLAGS, "--epochs", "3",
             "--stage1-epochs", "1"]  # fmt: skip
    line = f"{shlex.join(words)} {how}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=False)
    assert done.returncode == 0
    assert load_sealed(tmp_path / "run/last.pth")["position"]["epoch"] == 3
    said = done.stderr.decode()
    assert ("the run goes on, its journal.jsonl has it all" in said) == ("2>&-" not in how)
    assert "Traceback" not in said


IMAGE = "s/Train/Image/{stem}.jpg"
MASK = "s/Train/GT_Object/{stem}.png"


@pytest.mark.parametrize(
    ("words", "output", "met"),
    [
        ("train --json {run}/last.pth", "{run}/last.pth", "--resume-from"),
        ("train --json {run}/journal.jsonl", "journal.jsonl", "journal.jsonl"),
        ("train --config c.toml --json c.toml --checkpoint-dir new", "c.toml", "--config"),
        ("train --teacher {run}/best_model.pth", "best_model.pth", "--teacher"),
        ("train --teacher t.pth", "best_model.pth", "--teacher"),
        ("train --json s --checkpoint-dir new", "--json", "s is a folder"),
        ("train --json n --checkpoint-dir n", "--json", "n"),
        ("train --json {image} --checkpoint-dir new", "{image}", "--dataset-path"),
        ("plan --png {mask}", "{mask}", "--dataset-path"),
        ("plan --png {run}/best_model.pth", "best_model.pth", "--checkpoint-dir"),
        ("plan --png p.png --json p.png", "p.png", "--png"),
        ("plan --png hard.png", "hard.png", "{mask}"),
        ("diagnose {run} --json {run}/journal.jsonl", "journal.jsonl", "RUN"),
        ("diagnose {run} --json {run}/config.toml", "config.toml", "RUN"),
        ("diagnose {run} --json soft", "soft", "journal.jsonl"),
        ("report {run} --html {run}/journal.jsonl", "journal.jsonl", "RUN"),
        ("report {run} --no-gallery --json {run}/report.html", "report.html", "--html"),
        ("report {run} --html {image}", "{image}", "another kind"),
        ("data audit s --html {image}", "{image}", "DIR"),
        ("data audit s --json a --manifest a", "a", "--json"),
        ("data audit s --json ./s/../{mask}", "{mask}", "DIR"),
        ("escape {run}/last.pth --branches b.toml --json b.toml", "b.toml", "--branches"),
        ("escape {run}/last.pth --json {run}/last.pth", "last.pth", "last.pth"),
        ("escape {run}/last.pth --json {mask}", "{mask}", "--dataset-path"),
        ("evaluate {run}/last.pth --dataset-path s --csv {mask}", "{mask}", "--dataset-path"),
        ("evaluate {run}/last.pth --dataset-path s --json {run}/last.pth", "last.pth", "CHECK"),
        ("evaluate --predictions gt --masks gt --latex gt/{stem}.png", "{stem}.png", "--pred"),
        ("evaluate --predictions gt --masks gt --atlas gt/{stem}.png", "{stem}.png", "--pred"),
        ("evaluate --predictions gt --masks gt --csv r --markdown r", "r", "--csv"),
        ("evaluate --predictions gt --masks gt --expect e --json e", "e", "--expect"),
    ],
)
def test_no_command_writes_over_what_it_reads(
    words: str,
    output: str,
    met: str,
    trained: Path,
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    shutil.copytree(trained.parent, run)
    shutil.copytree(scenes, "s")
    stem = min(p.stem for p in Path("s/Train/Image").iterdir())
    image, mask = IMAGE.format(stem=stem), MASK.format(stem=stem)
    shutil.copytree("s/Train/GT_Object", "gt")
    Path("hard.png").hardlink_to(mask)
    Path("soft").symlink_to(run / "journal.jsonl")
    Path("t.pth").symlink_to(run / "best_model.pth")
    Path("c.toml").write_text('# mine\n[data]\ndataset_path = ["s"]\n')
    Path("b.toml").write_text("[branch.mine]\n")
    Path("e").write_text('{"datasets": [], "protocol": ""}')
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    names = {"run": run, "image": image, "mask": mask, "stem": stem}
    given = words.format(**names).split()
    if given[0] in ("train", "plan") and "--config" not in given:
        given += ["--dataset-path", "s", "--resume-from", str(run / "last.pth")]
        given += ["--epochs", "3"]
    if given[0] == "escape":
        given += ["--dataset-path", "s"]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert output.format(**names) in error
    assert met.format(**names) in error
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_settings_file_that_a_person_wrote_is_kept(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    mine = f'# a note of mine\n[data]\ndataset_path = ["{scenes}"]\n'
    (run / "config.toml").write_text(mine)
    words = ["train", "--config", str(run / "config.toml"), "--checkpoint-dir", str(run)]
    again = [*words, *STUCK_FLAGS, "--stage1-epochs", "1", "--resume", "auto", "--epochs"]
    assert main([*again, "2"]) == 0
    assert "kept:" in capsys.readouterr().out
    assert main([*again, "3"]) == 0
    assert "config" not in capsys.readouterr().out
    assert (run / "config.given.toml").read_text() == mine
    assert len(list(run.glob("config*"))) == 2


def test_a_run_that_ends_before_its_first_validation_names_no_best_weights(
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spent = iter(["", "", "the budget is spent"])
    monkeypatch.setattr(Budget, "spent", lambda self: next(spent, "the budget is spent"))
    report = tmp_path / "r.json"
    words = ["train", "--dataset-path", str(scenes), "--checkpoint-dir", str(tmp_path / "run")]
    more = ["--epochs", "2", "--stage1-epochs", "1", "--budget", "1h", "--json", str(report)]
    assert main([*words, *STUCK_FLAGS, *more]) == 75
    said = capsys.readouterr().out
    assert "no validation yet" in said
    assert "best_model" not in said
    assert "-1.0" not in said
    named = [word.strip(".,;") for word in said.split() if word.strip(".,;").endswith(".pth")]
    assert named
    assert all(Path(name).exists() for name in named)
    told = json.loads(report.read_text())
    assert (told["best_iou"], told["best_epoch"], told["best_model"]) == (None, None, None)


def test_a_checkpoint_of_another_network_ends_in_one_line(
    trained: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = tmp_path / "run" / "best_model.pth"
    foreign.parent.mkdir()
    plain = load_sealed(trained)
    plain["architecture"] = {**plain["architecture"], "network": "Unet", "num_experts": 1}
    save_sealed(foreign, plain)
    data = ["--dataset-path", str(scenes)]
    for words in (
        ["train", "--resume-from", str(foreign), *data, "--epochs", "5"],
        ["train", "--teacher", str(foreign), *data, *STUCK_FLAGS],
        ["evaluate", str(foreign), *data],
        ["predict", str(foreign), str(scenes), "--out", str(tmp_path / "o")],
        ["escape", str(foreign), *data],
    ):
        more = ["--checkpoint-dir", str(tmp_path / "new")] if "--teacher" in words else []
        assert main([*words, *more]) == 2
        error = capsys.readouterr().err
        assert "it holds the network Unet" in error
        assert error.count("\n") == 1
    assert [p.name for p in foreign.parent.iterdir()] == ["best_model.pth"]
