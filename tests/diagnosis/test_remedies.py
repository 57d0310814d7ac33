from dataclasses import replace
from typing import Any

import pytest

from decamo.diagnosis import Remedy, RunState, SymptomKind
from decamo.diagnosis.remedies import (
    BEYOND,
    Situation,
    escape_remedy,
    larger,
    lower,
    plan_option,
    rung,
)
from decamo.settings import TrainSettings

RUN = RunState(
    TrainSettings(), "x/best_model.pth", "x/last.pth", 86, 86, 2, 0.00005, 0.00005, img_size=384,
    planned_end=120, iou=0.6221, slope=0.001,
)  # fmt: skip


def value(remedy: Remedy, name: str) -> Any:
    return {c.name: c.value for c in remedy.changes}.get(name)


def case(
    kind: SymptomKind = SymptomKind.PLATEAU, target: float | None = 0.72, **known: Any
) -> Situation:
    return Situation(replace(RUN, **known), kind, target)


@pytest.mark.parametrize(
    ("kind", "last", "lived", "number"),
    [
        (SymptomKind.PLATEAU, 0, 0, 1),
        (SymptomKind.PLATEAU, 1, 40, 2),
        (SymptomKind.PLATEAU, 2, 40, 3),
        (SymptomKind.PLATEAU, 3, 40, BEYOND),
        (SymptomKind.STILL_STUCK, 1, 10, 2),
        (SymptomKind.STILL_STUCK, 0, 10, 2),
        (SymptomKind.STILL_STUCK, 1, 20, BEYOND),
        (SymptomKind.BEHIND, 0, 30, 3),
        (SymptomKind.BEHIND, 2, 30, 3),
        (SymptomKind.BEHIND, 3, 30, BEYOND),
    ],
)
def test_the_next_rung(kind: SymptomKind, last: int, lived: int, number: int) -> None:
    assert rung(case(kind, option=last, lived=lived)) == number


@pytest.mark.parametrize(
    ("number", "rate", "floor", "end"),
    [(1, 0.0002, 0.00001, 120), (2, 0.0003, 0.00002, 150), (3, 0.0003, 0.00002, 150),
     (BEYOND, 0.0004, 0.00005, 150)],
)  # fmt: skip
def test_options_have_the_action_plans_numbers(
    number: int, rate: float, floor: float, end: int
) -> None:
    remedy = plan_option(Situation(replace(RUN, settings=None), SymptomKind.PLATEAU, 0.72), number)
    assert value(remedy, "stage2_lr") == rate
    assert value(remedy, "min_lr") == floor
    assert value(remedy, "epochs") == end
    assert remedy.origin == "action plan"


def test_a_run_with_higher_rates_has_its_options_scaled() -> None:
    spent = case(top=0.003, rate=0.00001)
    assert value(escape_remedy(spent), "stage2_lr") == 0.002
    assert value(escape_remedy(spent), "min_lr") == 0.0001
    assert "scaled to this run" in escape_remedy(spent).title
    assert "scaled" not in escape_remedy(case()).title


def test_a_rate_at_which_it_rose_before_counts_as_the_runs_own() -> None:
    low = case(top=0.00003, rate=0.00003, learned=0.003)
    rate = next(c for c in escape_remedy(low).changes if c.name == "stage2_lr")
    assert rate.value == 0.002
    assert "rose at 0.003 before" in rate.why
    assert (
        value(escape_remedy(case(top=0.00003, rate=0.00003, learned=0.00025)), "stage2_lr")
        == 0.0002
    )


def test_a_rate_that_is_said_to_be_too_low_is_always_raised() -> None:
    for rate in (0.00001, 0.0002, 0.0003, 0.001, 0.005):
        remedy = escape_remedy(case(rate=rate, top=rate))
        assert value(remedy, "stage2_lr") >= 1.49 * rate


def test_sizes() -> None:
    for own, first, third in ((320, 384, 384), (384, None, 416), (416, None, 448), (96, None, 128)):
        settings = replace(
            TrainSettings(), schedule=replace(TrainSettings().schedule, img_size=own)
        )
        situation = case(img_size=own, settings=settings)
        assert value(plan_option(situation, 1), "img_size") == first
        assert value(larger(situation), "img_size") == third


def test_lower_is_two_thirds_with_a_warm_up() -> None:
    remedy = lower(case(SymptomKind.EXPLOSION, hot=0.0003))
    assert value(remedy, "stage2_lr") == 0.0002
    assert value(remedy, "warmup_epochs") == 5
    frozen = lower(case(SymptomKind.EXPLOSION, hot=0.0003, stage=1, best_epoch=10))
    assert value(frozen, "lr") == 0.0002
    assert value(frozen, "stage2_lr") is None
    unknown = RunState(epoch=88)
    assert value(lower(Situation(unknown, SymptomKind.EXPLOSION)), "stage2_lr") == 0.0002
