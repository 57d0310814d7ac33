import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from decamo.cli import main
from decamo.history import EpochRecord, Journal
from decamo.schedule import Lineage, Segment, SegmentKind
from decamo.settings import ScheduleSettings, TrainSettings
from decamo.settings.plain import to_plain

# The action plan's blocks as it prints them -> the verdict's first words, what the command holds.
FIRST_FIVE = """
Epoch 87: Loss: 0.2341 | IoU: 0.6350 | Dice: 0.7456 | LR: 0.000200
Epoch 88: Loss: 0.2298 | IoU: 0.6385 | Dice: 0.7495 | LR: 0.000195
Epoch 89: Loss: 0.2267 | IoU: 0.6421 | Dice: 0.7534 | LR: 0.000190
Epoch 90: Loss: 0.2245 | IoU: 0.6458 | Dice: 0.7572 | LR: 0.000185
Epoch 91: Loss: 0.2221 | IoU: 0.6489 | Dice: 0.7609 | LR: 0.000180
"""
AFTER_20 = "Epoch 106: Loss: 0.2089 | IoU: 0.6834 | Dice: 0.8012 | LR: 0.000092\n"
AFTER_34 = "Epoch 120: Loss: 0.1987 | IoU: 0.7134 | Dice: 0.8245 | LR: 0.000015\n"
EXPLODES = """
Epoch 87: Loss: 0.2341 | IoU: 0.6350 | LR: 0.000300
Epoch 88: Loss: 1.5678 | IoU: 0.1234 | LR: 0.000295
"""
STUCK = "Epoch 106: Loss: 0.2330 | IoU: 0.6281 | LR: 0.000092\n"
SLOW = "Epoch 106: Loss: 0.2267 | IoU: 0.6534 | LR: 0.000092\n"
NOTES = """
Epoch 86: IoU 0.6221 (before scheduler change)
Epoch 95: IoU 0.6456 (+0.0235 improvement)
Epoch 105: IoU 0.6789 (+0.0568 total improvement)
"""
SITUATION = "Epoch 69: IoU 0.6121\nEpoch 86: IoU 0.6221\n"

BLOCKS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "first five": (FIRST_FIVE, "HEALTHY", ("--resume-from",)),
    "after 20": (AFTER_20, "HEALTHY", ("--resume-from",)),
    "after 34": (AFTER_34, "NEAR THE TARGET", ("--epochs 150",)),
    "explodes": (EXPLODES, "EXPLODED", ("--stage2-lr 0.0002", "--warmup-epochs 5")),
    "stuck": (STUCK, "STILL STUCK", ("--stage2-lr 0.0004", "--min-lr 0.00005")),
    "slow": (SLOW, "SLOW BUT MOVING", ("--epochs 150",)),
    "notes": (NOTES, "HEALTHY", ("--resume-from",)),
    "situation": (
        SITUATION,
        "A PLATEAU",
        ("--stage2-lr 0.0002", "--min-lr 0.00001", "--epochs 120", "--scheduler cosine"),
    ),
}


def command_of(out: str) -> str:
    """The block to paste, as one line."""
    lines = out.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("decamo "))
    last = lines.index("", first)
    return " ".join(line.rstrip("\\").strip() for line in lines[first:last])


@pytest.mark.parametrize("name", BLOCKS)
def test_each_block_of_the_action_plan(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, verdict, flags = BLOCKS[name]
    log = tmp_path / "log.txt"
    log.write_text(text)
    assert main(["diagnose", str(log)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(verdict)
    assert "\x1b" not in out
    command = command_of(out)
    for flag in flags:
        assert flag in command
    assert "PATH_TO_CHECKPOINTS" in command
    assert "fill in PATH_TO" in out


def test_stuck_is_told_of_larger_images_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    log.write_text(STUCK)
    assert main(["diagnose", str(log)]) == 0
    out = capsys.readouterr().out
    assert "consider --img-size 416 or 448" in out
    assert "--stage2-batch-size 1 --accumulation-steps 8" in out  # should memory run out
    assert "assumed: the action plan's own start" in out


def test_a_given_start_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.txt"
    log.write_text("Epoch 30: IoU: 0.5281 | LR: 0.000092\n")
    words = ["--baseline-iou", "0.5221", "--baseline-epoch", "10", "--target", "0.6"]
    assert main(["diagnose", str(log), *words]) == 0
    out = capsys.readouterr().out
    assert out.startswith("STILL STUCK: 20 epochs after IoU 0.5221")
    assert "0.58 or more: almost there" in out


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SLOW.encode())))
    assert main(["diagnose", "-", "--checkpoint", "/there/my best.pth"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("SLOW BUT MOVING")
    assert command_of(out) == "decamo train --resume-from '/there/my best.pth' --epochs 150"


def record(epoch: int, iou: float, rate: float) -> EpochRecord:
    lr = {"head": rate, "backbone.0": rate / 10}
    return EpochRecord(
        epoch, 2, 10 * epoch, 0.25, {}, iou, iou + 0.1, 0.05, lr, 100.0, 20.0, 384, (1 / 7,) * 7,
        400, 0.25, 0.1, 0.1, 0.1,
    )  # fmt: skip


@pytest.fixture
def stalled(tmp_path: Path) -> Path:
    """A run folder that a plateau of 86 epochs left: a constant, low rate since epoch 31."""
    folder = tmp_path / "a run"
    folder.mkdir()
    for name in ("best_model.pth", "last.pth"):
        (folder / name).touch()
    schedule = ScheduleSettings(stage1_epochs=30, scheduler="none", stage2_lr=0.00005)
    plain = to_plain(replace(TrainSettings(), schedule=schedule))
    lineage = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, schedule, 40),)).to_plain()
    with Journal(folder / "journal.jsonl") as journal:
        journal.write("run", {"word": "start", "reason": "a new run", "settings": plain,
                              "ledger": lineage,
                              "train_images": 40, "val_images": 400})  # fmt: skip
        for epoch in range(31, 87):
            iou = 0.6221 - 0.2 * 0.88 ** (epoch - 30)
            journal.write("epoch", record(epoch, iou, 0.00005).to_plain())
    return folder


def test_a_line_that_is_quite_level_gains_nothing_with_either_sign(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "level.log"
    lines = (f"Epoch {n}: Loss: 0.23 | IoU: 0.62 | LR: 0.00005" for n in range(50, 87))
    log.write_text("\n".join(lines))
    assert main(["diagnose", str(log)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("A PLATEAU at IoU 0.6200: +0.0000 in 17 epochs")
    assert "e-1" not in out


def test_a_run_folder(stalled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    assert main(["diagnose", str(stalled), "--json", str(report)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("A PLATEAU at IoU 0.62")
    command = command_of(out)
    assert command.startswith(f"decamo train --resume-from '{stalled}/best_model.pth'")
    assert "--stage2-lr 0.0002" in command
    assert "--scheduler cosine" in command
    assert "--deep-supervision" in command
    assert "--backbone" not in command
    assert "about 1h08m at the speed of this run" in out  # 34 epochs of 120 s
    assert "expected by the action plan +0.07 to +0.12 IoU" in out
    assert "measured +0." in out  # beside it, on what `python -m benchmarks claims` was run
    assert "not on this schedule" in out
    for option in ("option 2", "option 3"):
        assert option in out
    told: dict[str, Any] = json.loads(report.read_text())
    assert told["verdict"]["kind"] == "plateau"
    assert sum(c["probability"] for c in told["causes"]) == pytest.approx(1)
    assert told["causes"][0]["cause"] == "rate_too_low"
    assert told["causes"][0]["remedy"] == told["next"]
    assert all(c["remedy"]["words"][0] == "decamo" for c in told["causes"])
    assert told["next"]["hours"] == pytest.approx(34 * 120 / 3600)
    assert len(told["ladder"]) == 2
    assert told["forecast"]["chance"] < 0.1
    assert {"symptoms", "seen", "checks", "learning_rate", "standing", "target"} <= told.keys()


def test_the_command_does_on_a_real_checkpoint_what_is_said(
    stuck: Path, stalled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", str(stalled), "--checkpoint", str(stuck),
                 "--json", str(tmp_path / "d.json")]) == 0  # fmt: skip
    words = json.loads((tmp_path / "d.json").read_text())["next"]["words"]
    assert main(["plan", *words[2:], "--json", str(tmp_path / "p.json")]) == 0
    plan = json.loads((tmp_path / "p.json").read_text())
    assert plan["word"] == "branch"
    assert plan["lr"]["87"]["head"] == 0.0002
    assert plan["last_lr"]["head"] == 0.00001
    assert list(plan["lr"])[-1] == "120"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "paths: none given"),
        (["nowhere.log"], "no such file"),
        (["-", "--target", "72"], "--target"),
        (["-", "--baseline-iou", "0.6"], "--baseline-epoch"),
        (["-", "--baseline-iou", "6", "--baseline-epoch", "3"], "--baseline-iou"),
        (["-", "--baseline-iou", "0.6", "--baseline-epoch", "-3"], "--baseline-epoch"),
        (["-", "--targett", "0.7"], "--target"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_what_is_no_log_is_refused_and_a_log_that_has_just_begun_is_too_early(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    log.write_text("hello\n")
    assert main(["diagnose", str(log)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "is not a log: no line names an epoch with a loss, a score" in told.err
    assert told.err.count("\n") == 1
    log.write_text("Epoch 1/100\n")
    assert main(["diagnose", str(log)]) == 0
    assert capsys.readouterr().out.startswith("TOO EARLY TO SAY")
