from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from decamo.diagnosis import SymptomKind
from decamo.history import EpochDone, EpochRecord, Saved
from decamo.history.carried import log_of_records
from decamo.races.plateau import PlateauWatch, plateau_symptom
from decamo.schedule import Lineage, Position, Segment, SegmentKind, raced, rolled_back
from decamo.settings import ScheduleSettings
from tests.history.test_records import RECORD

LEDGER = Lineage(
    (Segment(SegmentKind.START, 0, 0, 0, 0, ScheduleSettings(epochs=40, stage1_epochs=3), 40),)
)


@dataclass
class Course:
    """A run that stands where a test wants it."""

    position: Position
    lineage: Lineage
    history: list[EpochRecord]


def at(epoch: int, *, pace: float = 0.0, lineage: Lineage = LEDGER, micro: int = 0) -> Course:
    wobble = (0.0, 0.0004, -0.0003)
    history = [
        replace(RECORD, epoch=n, stage=1 + (n > 3), iou=0.3 + pace * n + wobble[n % 3])
        for n in range(1, epoch + 1)
    ]
    return Course(Position(epoch, lineage.plan.epoch_start(epoch + 1), micro), lineage, history)


def says(run: Course, act: str = "escape", **more: object) -> str:
    watch = PlateauWatch(run, {}, act, **more)  # type: ignore[arg-type]
    watch.on_event(EpochDone(run.history[-1], best=False))
    return watch.why


def test_a_run_that_stands_still_is_told_and_one_that_rises_is_not() -> None:
    assert says(at(24)).startswith("a plateau at IoU 0.3")
    assert says(at(24, pace=0.005)) == ""
    assert says(at(10)) == ""  # too early to say


def test_nothing_is_said_unless_it_was_asked_for() -> None:
    assert says(at(24), "continue") == ""
    assert says(at(24), "stop") == says(at(24), "escape")


def test_only_an_epochs_end_is_looked_at() -> None:
    run = at(24)
    watch = PlateauWatch(run, {}, "escape")
    watch.on_event(Saved(Path("last.pth"), run.position, 1.0))
    assert watch.why == ""
    assert says(at(24, micro=2)) == ""


@pytest.mark.parametrize(("epoch", "told"), [(36, True), (37, True), (38, False), (40, False)])
def test_a_race_needs_the_epochs_of_its_trials(epoch: int, told: bool) -> None:
    assert bool(says(at(epoch), trial=3)) == told


def test_a_plan_is_raced_once_and_a_new_one_again() -> None:
    run = at(24)
    once = raced(LEDGER, run.position, "no branch is better")
    assert says(at(30, lineage=once)) == ""
    assert says(at(30, lineage=once), "stop")
    later = at(26)
    halved = rolled_back(once, later.position, "20 bad steps")
    assert says(at(30, lineage=halved)) == ""
    branch = replace(
        LEDGER.last, kind=SegmentKind.BRANCH, at_epoch=12, at_step=at(12).position.step
    )
    assert says(at(32, lineage=Lineage((*once.segments[:1], branch))))


def test_stage_1_ends_by_itself_and_stage_3_is_a_polish() -> None:
    frozen = ScheduleSettings(epochs=40, stage1_epochs=30)
    lineage = Lineage((replace(LEDGER.last, schedule=frozen),))
    assert says(at(24, lineage=lineage)) == ""
    polish = ScheduleSettings(epochs=5, stage1_epochs=3, stage3_epochs=35)
    assert says(at(30, lineage=Lineage((replace(LEDGER.last, schedule=polish),)))) == ""


def test_a_race_may_be_refused_and_is_asked_for_last() -> None:
    asked: list[Sequence[EpochRecord]] = []

    def refuses(records: Sequence[EpochRecord]) -> str:
        asked.append(records)
        return "no time"

    assert says(at(24, pace=0.005), refuses=refuses) == ""
    assert asked == []
    assert says(at(24), refuses=refuses) == ""
    assert len(asked) == 1


def test_beyond_the_target_a_plateau_is_still_one() -> None:
    run = at(24)
    high = [replace(record, iou=record.iou + 0.5) for record in run.history]
    found = plateau_symptom(log_of_records(high, LEDGER))
    assert found is not None
    assert found.kind == SymptomKind.PLATEAU
