import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from decamo.schedule import LRSchedule

KINDS = st.sampled_from(["none", "onecycle", "cosine", "cosine_restart"])


@st.composite
def curves(draw: st.DrawFn) -> LRSchedule:
    steps = draw(st.integers(2, 400))
    peak = draw(st.floats(1e-5, 1e-2))
    return LRSchedule(
        kind=draw(KINDS),
        peak=peak,
        floor=peak * draw(st.floats(0, 1)),
        steps=steps,
        warmup=draw(st.integers(0, steps // 2)),
        cycles=draw(st.integers(1, 4)),
        t_mult=draw(st.floats(1, 3)),
    )


def test_cosine_equals_its_closed_form() -> None:
    curve = LRSchedule("cosine", 2e-4, 1e-5, 11)
    for step in range(11):
        expected = 1e-5 + (2e-4 - 1e-5) * (1 + math.cos(math.pi * step / 10)) / 2
        assert curve.at(step) == pytest.approx(expected, rel=1e-12)


def test_cosine_agrees_with_torch() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=49, eta_min=1e-5)
    curve = LRSchedule("cosine", 2e-4, 1e-5, 50)
    for step in range(50):
        assert curve.at(step) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        scheduler.step()


def test_onecycle_peaks_after_thirty_percent_and_starts_at_a_25th() -> None:
    curve = LRSchedule("onecycle", 2.5e-4, 1e-6, 101)
    rates = [curve.at(s) for s in range(101)]
    assert rates.index(max(rates)) == 30
    assert rates[0] == pytest.approx(2.5e-4 / 25)
    assert rates[30] == 2.5e-4
    assert rates[100] == 1e-6


def test_restarts_return_to_the_peak_and_the_last_cycle_ends_with_the_stage() -> None:
    curve = LRSchedule("cosine_restart", 1e-3, 1e-5, 70, cycles=3, t_mult=2)
    assert curve.cycle_starts() == (0, 10, 30)
    assert [curve.at(s) for s in curve.cycle_starts()] == [1e-3] * 3
    assert [curve.at(s) for s in (9, 29, 69)] == [1e-5] * 3


def test_warmup_is_linear_and_ends_one_step_before_the_peak() -> None:
    curve = LRSchedule("cosine", 1e-3, 0.0, 20, warmup=4)
    assert [curve.at(s) for s in range(5)] == pytest.approx([2e-4, 4e-4, 6e-4, 8e-4, 1e-3])


def test_warmup_is_the_rise_of_onecycle() -> None:
    rates = [LRSchedule("onecycle", 1e-3, 1e-5, 100, warmup=7).at(s) for s in range(100)]
    assert rates.index(max(rates)) == 7


@given(curves())
def test_every_rate_lies_between_floor_and_peak(curve: LRSchedule) -> None:
    slack = 1 + 1e-12
    for step in range(curve.steps):
        assert curve.floor / slack <= curve.at(step) <= curve.peak * slack


@given(curves())
def test_what_anneals_ends_exactly_on_the_floor(curve: LRSchedule) -> None:
    end = curve.peak if curve.kind == "none" else curve.floor
    assert curve.at(curve.steps - 1) == end
    assert curve.at(curve.steps + 5) == end


@given(curves())
def test_the_first_step_after_the_warmup_has_exactly_the_peak(curve: LRSchedule) -> None:
    if curve.kind == "onecycle":
        rise = curve.warmup or round(0.3 * curve.steps)
        assert rise == curve.steps - 1 or curve.at(rise) == curve.peak
    elif len(set(curve.cycle_starts())) == len(curve.cycle_starts()):
        first_cycle = (*curve.cycle_starts(), curve.steps)[1] - curve.warmup
        assert first_cycle < 2 or curve.at(curve.warmup) == curve.peak


@given(curves())
def test_cosine_only_falls_after_its_warmup(curve: LRSchedule) -> None:
    if curve.kind == "cosine":
        rates = [curve.at(s) for s in range(curve.warmup, curve.steps)]
        assert all(a >= b * (1 - 1e-12) for a, b in itertools.pairwise(rates))
