from dataclasses import replace

from decamo.plan import Ledger, Position, Segment, resume, review
from decamo.settings import ScheduleSettings


def ledger(**schedule: object) -> Ledger:
    settings = ScheduleSettings(**schedule)  # type: ignore[arg-type]
    return Ledger((Segment("start", 0, 0, 0, 0, settings, 40),))


def test_a_sound_plan_has_no_warning() -> None:
    assert review(ledger()) == ()


def test_a_constant_rate_never_anneals() -> None:
    (warning,) = review(ledger(scheduler="none"))
    assert "never anneals" in warning
    assert "--scheduler cosine" in warning
    (low,) = review(ledger(scheduler="none", stage2_lr=0.00003))
    assert "holds 0.00003 to the end" in low  # as a person would type it


def test_an_extension_that_lifts_the_rate_is_told_with_both_rates() -> None:
    short = ledger()
    done = Position(120, short.plan.end_step)
    longer = resume(short, replace(short.last.schedule, epochs=150), done, images=40).ledger
    (warning,) = review(longer)
    assert "rises from 0.000010 to" in warning
    assert "epoch 121" in warning


def test_stage_3_above_the_floor_of_stage_2() -> None:
    (warning,) = review(ledger(stage3_epochs=2, stage3_lr=0.0001))
    assert warning.startswith("stage 3 starts at 0.000100, above the 0.000010")


def test_cycles_shorter_than_an_epoch() -> None:
    (warning,) = review(ledger(scheduler="cosine_restart", cycles=8, t_mult=3.0))
    assert "less than an epoch" in warning
