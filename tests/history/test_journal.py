import errno
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.history import (
    EpochDone,
    GroupsOpened,
    Interrupted,
    Journal,
    Saved,
    StageStarted,
    StepDone,
    StepRecord,
    Validating,
    read_epochs,
    read_journal,
)
from decamo.schedule import Lineage, Position, Segment, SegmentKind
from decamo.settings import ScheduleSettings
from tests.history.test_records import RECORD


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def lines(path: Path) -> list[dict[str, object]]:
    """As any strict JSON reader sees them: NaN and Infinity are no JSON (RFC 8259, 6)."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    text = path.read_text(encoding="utf-8")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def test_each_event_leaves_its_kind_of_line(path: Path) -> None:
    stage = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, ScheduleSettings(), 80),)).plan.stages[
        0
    ]
    step = StepRecord(4, 1, 0.5, {"bce": 0.5}, {"head": 0.1}, 2.0, skipped=True)

    with Journal(path) as journal:
        journal.write("run", {"word": "start"})
        for event in (
            StageStarted(stage, 1),
            GroupsOpened(0, frozenset({"head", "backbone.3"})),
            StepDone(step, 5, 10),
            Validating(1, 2),
            EpochDone(RECORD, best=True),
            Saved(path, Position(), 0.5),
            Interrupted(Position(1, 14, 3), "on request"),
        ):
            journal.on_event(event)

    assert [line["kind"] for line in lines(path)] == [
        *("run", "stage", "opened", "step", "epoch", "interrupted")
    ]
    _, started, opened, stepped, epoch, interrupted = lines(path)
    assert started == {"kind": "stage", "number": 1, "epoch": 1}
    assert opened["learning"] == ["backbone.3", "head"]
    assert (stepped["step"], stepped["skipped"], stepped["lr"]) == (4, True, {"head": 0.1})
    assert (epoch["iou"], epoch["best"]) == (0.6350, True)
    assert interrupted == {
        "kind": "interrupted",
        "epoch": 1,
        "step": 14,
        "micro": 3,
        "why": "on request",
    }


def test_a_line_is_readable_as_soon_as_it_is_written(path: Path) -> None:
    with Journal(path) as journal:
        journal.write("run", {"a": 1})

        assert list(read_journal(path)) == [{"kind": "run", "a": 1}]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_becomes_null(path: Path, value: float) -> None:
    with Journal(path) as journal:
        journal.write("step", {"loss": value, "parts": {"bce": value}, "list": [1.0, (value,)]})

    assert lines(path) == [
        {"kind": "step", "loss": None, "parts": {"bce": None}, "list": [1.0, [None]]}
    ]


def test_a_diverged_epoch_is_read_back_as_not_a_number(path: Path) -> None:
    diverged = replace(RECORD, loss=math.nan, parts={"bce": math.inf})
    with Journal(path) as journal:
        journal.on_event(EpochDone(diverged, best=False))

    (epoch,) = read_epochs(path)
    assert math.isnan(epoch.loss)
    assert math.isnan(epoch.parts["bce"])
    assert "Loss: nan" in epoch.line()


def test_later_line_of_an_epoch_wins_and_epochs_come_in_order(path: Path) -> None:
    with Journal(path) as journal:
        for epoch, iou in ((1, 0.1), (2, 0.2), (3, 0.3), (2, 0.9)):
            journal.on_event(EpochDone(replace(RECORD, epoch=epoch, iou=iou), best=False))

    assert [(e.epoch, e.iou) for e in read_epochs(path)] == [(1, 0.1), (2, 0.9), (3, 0.3)]


def test_records_come_back_equal(path: Path) -> None:
    with Journal(path) as journal:
        journal.on_event(EpochDone(RECORD, best=True))

    assert read_epochs(path) == [RECORD]


@settings(max_examples=40)
@given(st.data())
def test_a_crash_anywhere_costs_the_cut_line_alone(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    with Journal(path) as journal:
        for number in range(3):
            journal.write("step", {"step": number, "word": "größer"})
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])

    with Journal(path) as journal:
        journal.write("run", {"word": "continue"})

    survivors = [e["step"] for e in read_journal(path) if e["kind"] == "step"]
    # A line whose end alone is missing is whole.
    complete = sum(1 for end in _ends(whole) if end - 1 <= cut)
    assert survivors == list(range(complete))
    assert [e for e in read_journal(path) if e["kind"] == "run"] == [
        {"kind": "run", "word": "continue"}
    ]


def _ends(text: bytes) -> list[int]:
    return [i + 1 for i, byte in enumerate(text) if byte == ord("\n")]


def test_what_was_written_before_stays(path: Path) -> None:
    for word in ("start", "continue", "branch"):
        with Journal(path) as journal:
            journal.write("run", {"word": word})

    assert [line["word"] for line in lines(path)] == ["start", "continue", "branch"]


def test_lines_that_are_no_objects_are_passed_over(path: Path) -> None:
    path.write_bytes(b'3\n"x"\n\xff\xfe\n\n{"kind": "run"}\n[1]\n')

    assert list(read_journal(path)) == [{"kind": "run"}]


def test_a_full_disk_is_told_in_one_line_and_ends_no_run() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    said: list[str] = []
    with Journal(full, said.append) as journal:
        journal.write("note", {})
        journal.write("note", {})

    first, last = said
    assert first.startswith("/dev/full: No space left on device; free space")
    assert last == "/dev/full: 2 lines of the journal are lost"


def test_without_an_ear_it_is_said_on_standard_error(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.mkdir()
    with Journal(path) as journal:
        journal.write("note", {})

    assert capsys.readouterr().err.startswith(f"decamo: {path}: Is a directory; ")


class Disk:
    """``os.write`` on a disk that has room for so many bytes, or has another trouble."""

    def __init__(self, room: int, trouble: int = errno.ENOSPC) -> None:
        self.room, self.trouble = room, trouble
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(self.trouble, os.strerror(self.trouble))
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("room", [0, 1, 20, 41, 60])
@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE])
def test_lines_wait_for_room_and_keep_their_order(
    path: Path, monkeypatch: pytest.MonkeyPatch, room: int, trouble: int
) -> None:
    disk, said = Disk(room, trouble), list[str]()
    monkeypatch.setattr(os, "write", disk.write)
    with Journal(path, said.append) as journal:
        for number in range(6):
            if number == 4:
                disk.room = 10**6
            journal.write("step", {"step": number})

    assert [e["step"] for e in read_journal(path)] == list(range(6))
    assert [line.split("; ")[-1] for line in said] == [
        "the run goes on, and what belongs into the journal waits in memory",
        f"{path}: written again",
    ]


def test_of_too_many_waiting_lines_the_oldest_are_lost_and_counted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, said = Disk(0), list[str]()
    monkeypatch.setattr(os, "write", disk.write)
    monkeypatch.setattr("decamo.history.journal._MOST_WAITING", 100)
    with Journal(path, said.append) as journal:
        for number in range(8):
            journal.write("step", {"step": number})
        disk.room = 10**6
        journal.write("step", {"step": 8})

    kept = [e["step"] for e in read_journal(path)]
    assert kept == list(range(9))[-len(kept) :]
    assert 0 < len(kept) < 9
    assert said[1] == f"{path}: written again, but for {9 - len(kept)} lines"
