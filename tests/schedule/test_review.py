from dataclasses import replace
from typing import Any

import pytest

from decamo.schedule import Lineage, Position, Segment, SegmentKind, resume, review, rolled_back
from decamo.settings import ScheduleSettings


def lineage(**schedule: object) -> Lineage:
    settings = ScheduleSettings(**schedule)  # type: ignore[arg-type]
    return Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, settings, 40),))


def test_a_sound_plan_has_no_warning() -> None:
    assert review(lineage()) == ()


def test_a_constant_rate_never_anneals() -> None:
    (warning,) = review(lineage(scheduler="none"))
    assert "never anneals" in warning
    assert "--scheduler cosine" in warning
    (low,) = review(lineage(scheduler="none", stage2_lr=0.00003))
    assert "holds 0.00003 to the end" in low  # as a person would type it


def test_an_extension_that_lifts_the_rate_is_told_with_both_rates() -> None:
    short = lineage()
    done = Position(120, short.plan.end_step)
    longer = resume(short, replace(short.last.schedule, epochs=150), done, images=40).lineage
    (warning,) = review(longer)
    assert "rises from 0.000010 to" in warning
    assert "epoch 121" in warning


BEGINS_ANEW = "its curve begins anew; give --stage2-lr for another rate, or --schedule-origin stage"


@pytest.mark.parametrize(
    ("change", "epoch", "step", "cause"),
    [
        ({"epochs": 150}, 100, 0, "the longer curve stands higher there; give --stage2-lr as well"),
        ({"accumulation_steps": 2}, 100, 0, BEGINS_ANEW),
        ({"accumulation_steps": 2, "epochs": 150}, 100, 0, BEGINS_ANEW),
        ({"accumulation_steps": 2}, 20, 0, "its curve begins anew; give --lr for another rate, or"),
        ({"accumulation_steps": 2}, 30, 5, "its curve begins anew; give --stage2-lr for another"),
        ({"accumulation_steps": 2}, 0, 5, "its curve begins anew; give --lr for another rate"),
    ],
)
def test_why_a_rate_rises_and_what_can_be_done(
    change: dict[str, Any], epoch: int, step: int, cause: str
) -> None:
    """The flag that is named is one that this stage hears."""
    before = lineage(stage1_scheduler="cosine")
    schedule = replace(before.last.schedule, **change)
    position = Position(epoch, before.plan.epoch_start(epoch + 1) + step, step)
    done = resume(before, schedule, position, images=40)
    warnings = review(done.lineage, done.position)
    assert [w for w in warnings if f": {cause}" in w]
    joins = epoch not in (0, 30) and done.kind == "branch"
    assert ("or --schedule-origin stage to join" in warnings[0]) == joins


def test_a_flag_that_is_given_is_no_remedy() -> None:
    before = lineage(schedule_origin="stage", cycles=2, scheduler="cosine_restart")
    schedule = replace(before.last.schedule, cycles=1)
    position = Position(100, before.plan.epoch_start(101))
    before = Lineage((before.last, replace(before.last, kind=SegmentKind.ROLLBACK, at_epoch=99,
                                          at_step=position.step - 5)))  # fmt: skip
    lifted = resume(before, replace(schedule, epochs=200), position, images=40)
    (warning,) = review(lifted.lineage, lifted.position)
    assert warning.endswith("the curve that it joins stands higher there; give --stage2-lr for"
                            " another rate")  # fmt: skip


def test_a_branch_says_that_it_takes_back_a_rollback() -> None:
    before = lineage(scheduler="none")
    place = Position(100, before.plan.epoch_start(101))
    half = rolled_back(before, place, "NaN")
    place = Position(101, before.plan.epoch_start(102))
    branch = resume(half, replace(half.last.schedule, accumulation_steps=2), place, images=40)
    warnings = review(branch.lineage, branch.position)
    assert any("takes back what rollbacks have halved; give --stage2-lr" in w for w in warnings)


def test_a_stage_3_that_has_begun_is_warned_of_no_more() -> None:
    plan = lineage(stage3_epochs=2, stage3_lr=0.0001)
    begin = plan.plan.stages[-1].first_step
    assert review(plan, Position(120, begin))
    assert not review(plan, Position(120, begin + 1, 1))


def test_a_flag_without_effect_does_not_hush_an_extension_that_lifts_the_rate() -> None:
    short = lineage(cycles=1)
    done = Position(120, short.plan.end_step)
    wanted = replace(short.last.schedule, epochs=150, scheduler="cosine_restart")
    longer = resume(short, wanted, done, images=40).lineage
    assert longer.last.kind == "extend"
    assert "rises from 0.000010 to" in review(longer)[0]


def test_stage_3_above_the_floor_of_stage_2() -> None:
    (warning,) = review(lineage(stage3_epochs=2, stage3_lr=0.0001))
    assert warning.startswith("stage 3 starts at 0.000100, above the 0.000010")


def test_cycles_shorter_than_an_epoch() -> None:
    (warning,) = review(lineage(scheduler="cosine_restart", cycles=8, t_mult=3.0))
    assert "less than an epoch" in warning
