from dataclasses import replace

import pytest

from decamo.plan import (
    Ledger,
    Position,
    Segment,
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
LEDGER = Ledger((Segment("start", 0, 0, 0, 0, SCHEDULE, images=50),))
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
    assert again.word == "continue"
    assert again.ledger.plan.lr(AT.step) == mended.plan.lr(AT.step)


def test_after_a_rollback_a_branch_starts_at_the_rate_asked_for() -> None:
    wanted = replace(SCHEDULE, stage2_lr=0.0002, warmup_epochs=0)
    branch = resume(rolled_back(LEDGER, AT, "why"), wanted, AT, images=50)
    assert branch.word == "branch"
    assert branch.ledger.plan.lr(AT.step) == 0.0002


def test_what_was_decided_beyond_the_place_gone_back_to_is_forgotten_but_its_pieces() -> None:
    later = replace(AT, step=AT.step + 5)
    cut = split(rolled_back(LEDGER, AT, "why"), later, 2, "why")
    assert cut is not None
    again = rolled_back(cut, AT, "why")
    assert [s.word for s in again.segments] == ["start", "rollback", "rollback"]
    assert (again.last.scale, again.last.pieces) == (0.25, (1, 2, 1))
    assert all(begin <= end for _, begin, end in again.lived())


def test_a_split_changes_neither_steps_nor_rates_nor_other_stages() -> None:
    mended = split(LEDGER, AT, 2, "out of memory")
    assert mended is not None
    for old, new in zip(LEDGER.plan.stages, mended.plan.stages, strict=True):
        assert replace(new, pieces=1) == old
        assert new.pieces == (2 if old.number == 2 else 1)
    assert "micro-batch of 4 in 2 pieces" in mended.last.reason


def test_pieces_double_until_they_are_single_images() -> None:
    ledger, seen = LEDGER, []
    while (mended := split(ledger, AT, 1, "why")) is not None:
        ledger = mended
        seen.append(plan_of(ledger.last).stages[0].pieces)
    assert seen == [2, 4, 6]  # a micro-batch of 6


def test_plain_values_keep_both_and_older_ones_have_neither() -> None:
    mended = split(rolled_back(LEDGER, AT, "why"), AT, 2, "why")
    assert mended is not None
    assert Ledger.from_plain(mended.to_plain()) == mended
    older = [
        {k: v for k, v in p.items() if k not in ("scale", "pieces")} for p in LEDGER.to_plain()
    ]
    assert Ledger.from_plain(older) == LEDGER


def test_a_race_without_a_winner_changes_nothing_but_the_ledger() -> None:
    once = raced(LEDGER, AT, "no branch is better than the control")
    assert once.plan == LEDGER.plan
    assert (once.last.word, once.last.at_step) == ("race", AT.step)
    assert not was_raced(LEDGER)
    assert was_raced(once)
    assert was_raced(rolled_back(once, AT, "20 bad steps"))
    assert not was_raced(once.with_segment(replace(once.last, word="branch")))
