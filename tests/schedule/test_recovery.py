from dataclasses import replace
from typing import Any

import pytest

from decamo.schedule import (
    Lineage,
    Position,
    Segment,
    SegmentKind,
    brought_back,
    plan_of,
    raced,
    resume,
    rolled_back,
    split,
    was_raced,
)
from decamo.settings import ScheduleSettings

SCHEDULE = ScheduleSettings(
    epochs=12,
    stage1_epochs=2,
    lr=0.001,
    stage2_lr=0.0003,
    scheduler="cosine",
    min_lr=0.00002,
    warmup_epochs=2,
    progressive_unfreeze=True,
    batch_size=6,
    stage2_batch_size=4,
    accumulation_steps=2,
    stage3_epochs=2,
)
LEDGER = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, SCHEDULE, images=50),))
AT = Position(epoch=4, step=LEDGER.plan.epoch_start(5) + 3, micro=6)


def test_a_rollback_halves_every_rate_and_nothing_else() -> None:
    before, after = LEDGER.plan, rolled_back(LEDGER, AT, "why").plan
    for step in range(before.first_step, before.end_step):
        assert after.learning(step) == before.learning(step)
        for group in before.ratios:
            assert after.lr(step, group) == pytest.approx(before.lr(step, group) / 2, rel=1e-12)
    assert [s.steps_per_epoch for s in after.stages] == [s.steps_per_epoch for s in before.stages]


def test_after_a_rollback_the_same_flags_continue() -> None:
    mended = rolled_back(LEDGER, AT, "20 bad steps")
    again = resume(mended, SCHEDULE, AT, images=50)
    assert again.kind == "continue"
    assert again.lineage.plan.lr(AT.step) == mended.plan.lr(AT.step)


def test_after_a_rollback_a_branch_starts_at_the_rate_asked_for() -> None:
    wanted = replace(SCHEDULE, stage2_lr=0.0002, warmup_epochs=0)
    branch = resume(rolled_back(LEDGER, AT, "why"), wanted, AT, images=50)
    assert branch.kind == "branch"
    assert branch.lineage.plan.lr(AT.step) == 0.0002


def test_what_was_decided_beyond_the_place_gone_back_to_is_forgotten_but_its_splits() -> None:
    later = replace(AT, step=AT.step + 5)
    cut = split(rolled_back(LEDGER, AT, "why"), later, 2, "why")
    assert cut is not None
    again = rolled_back(cut, AT, "why")
    assert [s.kind for s in again.segments] == ["start", "rollback", "rollback"]
    assert (again.last.scale, again.last.micro_batch_splits) == (0.25, (1, 2, 1))
    assert all(begin <= end for _, begin, end in again.lived())


def test_a_checkpoint_of_the_plan_in_force_changes_nothing() -> None:
    cut = split(rolled_back(LEDGER, AT, "why"), AT, 2, "why")
    assert cut is not None
    assert brought_back(cut, LEDGER, AT) == (cut, AT)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"epochs": 16}, "extend"),
        ({"stage2_lr": 0.0001, "warmup_epochs": 0}, "branch"),
        ({"stage2_batch_size": 2}, "branch"),
        ({"skip_stage1": True, "accumulation_steps": 1}, "branch"),
    ],
)
@pytest.mark.parametrize("back", [0, 3, 10])
def test_going_back_beyond_a_resume_lays_its_plan_anew_from_there(
    change: dict[str, Any], word: str, back: int
) -> None:
    """Epochs and steps agree again, and the lower rates and smaller pieces stay."""
    resumed = resume(LEDGER, replace(SCHEDULE, **change), AT, images=50)
    assert resumed.kind == word
    later = replace(resumed.position, step=AT.step + 2, micro=2)
    cut = split(rolled_back(resumed.lineage, later, "20 bad steps"), later, 2, "out of memory")
    assert cut is not None
    earlier = AT.step - back
    epoch = LEDGER.epoch_of(earlier)
    micro = 2 * (earlier - LEDGER.plan.epoch_start(epoch))
    found = Position(epoch - 1, earlier, micro)
    lineage, position = brought_back(cut, LEDGER, found)
    assert (position.epoch, position.step) == (found.epoch, found.step)
    assert position.micro == (0 if word == "branch" else micro)
    assert lineage.last.at_step == earlier
    assert (lineage.last.scale, lineage.last.micro_batch_splits) == (
        0.5,
        cut.last.micro_batch_splits,
    )
    assert lineage.last.schedule == cut.last.schedule
    first = lineage.steps_of(epoch).start
    assert first == (earlier if word == "branch" else LEDGER.plan.epoch_start(epoch))
    again = resume(LEDGER, cut.last.schedule, found, images=50).lineage
    for step in range(earlier, lineage.plan.end_step):
        assert lineage.plan.lr(step) == pytest.approx(again.plan.lr(step) / 2, rel=1e-12)
    # and once more, from the same damaged file to the same one before it
    slower = rolled_back(lineage, position, "20 bad steps")
    once_more, same = brought_back(slower, LEDGER, found)
    assert same == position
    assert once_more.last.scale == 0.25
    assert once_more.plan.end_step == lineage.plan.end_step


def test_a_split_changes_neither_steps_nor_rates_nor_other_stages() -> None:
    mended = split(LEDGER, AT, 2, "out of memory")
    assert mended is not None
    for old, new in zip(LEDGER.plan.stages, mended.plan.stages, strict=True):
        assert replace(new, micro_batch_splits=1) == old
        assert new.micro_batch_splits == (2 if old.number == 2 else 1)
    assert "micro-batch of 4 in 2 pieces" in mended.last.reason


def test_micro_batch_splits_double_until_they_are_single_images() -> None:
    lineage, seen = LEDGER, []
    while (mended := split(lineage, AT, 1, "why")) is not None:
        lineage = mended
        seen.append(plan_of(lineage.last).stages[0].micro_batch_splits)
    assert seen == [2, 4, 6]  # a micro-batch of 6


def test_plain_values_keep_both_and_older_ones_have_neither() -> None:
    mended = split(rolled_back(LEDGER, AT, "why"), AT, 2, "why")
    assert mended is not None
    assert Lineage.from_plain(mended.to_plain()) == mended
    older = [
        {k: v for k, v in p.items() if k not in ("scale", "pieces")} for p in LEDGER.to_plain()
    ]
    assert Lineage.from_plain(older) == LEDGER


def test_a_race_without_a_winner_changes_nothing_but_the_lineage() -> None:
    once = raced(LEDGER, AT, "no branch is better than the control")
    assert once.plan == LEDGER.plan
    assert (once.last.kind, once.last.at_step) == ("race", AT.step)
    assert not was_raced(LEDGER)
    assert was_raced(once)
    assert was_raced(rolled_back(once, AT, "20 bad steps"))
    assert not was_raced(once.with_segment(replace(once.last, kind=SegmentKind.BRANCH)))
