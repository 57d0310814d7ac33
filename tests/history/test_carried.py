import math
from dataclasses import replace
from pathlib import Path

from decamo.diagnosis import diagnose_log
from decamo.history import EpochDone, EpochRecord, Journal, log_of_journal
from decamo.history.carried import log_of_records
from decamo.schedule import Lineage, Position, Segment, SegmentKind, raced, resume
from decamo.settings import ScheduleSettings
from tests.history.test_records import RECORD
from tests.history.test_run_log import run_line

SCHEDULE = ScheduleSettings(epochs=60, stage1_epochs=1, stage2_lr=0.00005, scheduler="none")
FIRST = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, SCHEDULE, 40),))


def branched(epoch: int) -> Lineage:
    at = Position(epoch, FIRST.plan.epoch_start(epoch + 1))
    return resume(FIRST, replace(SCHEDULE, stage2_lr=0.0005), at, images=40).lineage


def records(first: int, last: int, iou: float) -> list[EpochRecord]:
    wobble = (0.0, 0.0004, -0.0003)
    return [
        replace(RECORD, epoch=n, stage=2, iou=iou + wobble[n % 3]) for n in range(first, last + 1)
    ]


def test_the_verdict_is_that_of_the_journal(tmp_path: Path) -> None:
    """Word for word, under a first schedule and after a branch."""
    lineage, known = FIRST, records(2, 22, 0.4)
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.write("run", run_line("start", lineage))
        for record in known:
            journal.on_event(EpochDone(record, best=False))
    for later in range(2):
        if later:
            lineage = branched(22)
            more = records(23, 44, 0.401)
            with Journal(tmp_path / "journal.jsonl") as journal:
                journal.write("run", run_line("branch", lineage))
                for record in more:
                    journal.on_event(EpochDone(record, best=False))
            known += more
        told = diagnose_log(log_of_journal(tmp_path / "journal.jsonl"), target=None).verdict
        own = diagnose_log(log_of_records(known, lineage), target=None).verdict
        assert (own.kind, own.sentence) == (told.kind, told.sentence)
    assert own.kind == "still_stuck"


def test_a_branch_is_a_stretch_and_what_the_run_decided_itself_is_none() -> None:
    lineage = raced(branched(22), Position(30, branched(22).plan.epoch_start(31)), "a race")
    past = log_of_records(records(2, 31, 0.4), lineage, {"run": {"seed": 3}})
    assert [(s.word, s.first_epoch) for s in past.stretches] == [("start", 2), ("branch", 23)]
    assert past.stretches[-1].settings == {"run": {"seed": 3}}
    assert past.stretches[-1].planned_end == 60
    assert [p.epoch for p in past.points] == list(range(2, 32))


def test_what_is_not_finite_is_not_a_number_and_not_unknown() -> None:
    past = log_of_records([replace(RECORD, epoch=1, loss=math.inf)], FIRST)
    assert past.points[0].loss is not None
    assert math.isnan(past.points[0].loss)


def test_nothing_was_trained_yet() -> None:
    assert log_of_records([], FIRST).points == ()
