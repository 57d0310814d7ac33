from dataclasses import asdict, replace

import numpy as np
import pytest

from decamo.diagnosis.rates import plan_ahead, rates_of
from decamo.history import LogSegment, Point, TrainingLog
from decamo.schedule import Segment, SegmentKind, plan_of
from decamo.settings import ScheduleSettings

SCHEDULE = ScheduleSettings(epochs=40, stage1_epochs=4, warmup_epochs=2)
BRANCH = ScheduleSettings(epochs=40, stage1_epochs=4, stage2_lr=0.0001, skip_stage1=True)


def lived(last: int, *stretches: LogSegment) -> TrainingLog:
    plan = plan_of(Segment(SegmentKind.START, 0, 0, 0, 0, SCHEDULE, 363))
    points = [Point(e, lr=plan.lr(plan.epoch_start(e))) for e in range(1, last + 1)]
    return TrainingLog(tuple(points), stretches)


def stretch(word: str, first: int, schedule: ScheduleSettings = SCHEDULE) -> LogSegment:
    return LogSegment(first, word, settings={"schedule": asdict(schedule)}, train_images=363)


def test_the_rates_ahead_are_the_plans_own() -> None:
    plan = plan_of(Segment(SegmentKind.START, 0, 0, 0, 0, SCHEDULE, 363))
    found = rates_of(lived(10, stretch("start", 1)), range(1, 41))
    expected = [plan.lr(plan.epoch_start(e)) for e in range(1, 41)]
    assert found is not None
    np.testing.assert_allclose(found, expected)


def test_a_branch_counts_from_its_start_and_a_continue_from_there_too() -> None:
    plan = plan_of(Segment(SegmentKind.BRANCH, 20, 0, 20, 0, BRANCH, 363))
    past = lived(25, stretch("start", 1), stretch("branch", 21, BRANCH))
    later = replace(past, stretches=(*past.stretches, stretch("continue", 24, BRANCH)))
    for what in (past, later):
        found = rates_of(what, range(26, 41))
        assert found is not None
        expected = [plan.lr(plan.epoch_start(e)) for e in range(26, 41)]
        np.testing.assert_allclose(found, expected)


def test_beyond_its_end_a_plan_holds_its_last_value() -> None:
    found = rates_of(lived(40, stretch("start", 1)), range(1, 51))
    assert found is not None
    np.testing.assert_allclose(found[40:], SCHEDULE.min_lr)


def test_what_is_said_beforehand_holds_on() -> None:
    found = rates_of(lived(10), range(9, 15), {11: 0.5, 12: 0.25})
    assert found is not None
    np.testing.assert_allclose(found[2:], [0.5, 0.25, 0.25, 0.25])


def test_gaps_are_filled_and_what_is_no_rate_is_passed_over() -> None:
    points = (Point(1, lr=1.0), Point(2, lr=float("nan")), Point(3, lr=-1.0), Point(4, lr=0.4))
    found = rates_of(TrainingLog(points), [1, 2, 3, 4])
    assert found is not None
    np.testing.assert_allclose(found, [1.0, 0.8, 0.6, 0.4])


def test_without_a_plan_nothing_is_known_ahead() -> None:
    assert rates_of(lived(10), range(1, 12)) is None
    assert rates_of(TrainingLog(()), [1]) is None


@pytest.mark.parametrize("flags", [{"epochs": "many"}, {"unheard_of": 1}, {"epochs": 3}])
def test_flags_that_make_no_plan_tell_nothing(flags: dict[str, object]) -> None:
    past = TrainingLog((), (LogSegment(11, "branch", settings={"schedule": flags}),))
    assert plan_ahead(past) is None
