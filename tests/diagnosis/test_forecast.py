import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.diagnosis.forecast import Forecast, Outlook, forecast
from decamo.history import LogSegment, Point, TrainingLog
from decamo.settings import ScheduleSettings
from tests.diagnosis.build import past


def noisy(levels: np.ndarray, noise: float = 0.004, seed: int = 0) -> list[float | None]:
    return list(levels + np.random.default_rng(seed).normal(0, noise, len(levels)))


def planned(ious: list[float | None], end: int) -> TrainingLog:
    return past(ious, settings={}, planned_end=end)


FLAT = noisy(np.full(40, 0.62))
RISING = noisy(0.60 + 0.004 * np.arange(25))


def test_a_flat_curve_is_not_on_this_schedule() -> None:
    told = forecast(planned(FLAT, 80), 0.72)
    assert told.outlook == Outlook.NOT_ON_THIS_SCHEDULE
    assert told.chance is not None
    assert told.chance < 0.05
    assert told.reach.median is None
    assert told.end == 80
    assert told.epochs == tuple(range(41, 81))
    assert told.sentence.startswith("not on this schedule: best IoU 0.6")
    assert "by epoch 80, the planned end" in told.sentence


def test_a_rising_curve_near_the_target_reaches_it_early() -> None:
    told = forecast(planned(RISING, 60), 0.705)
    assert told.outlook == Outlook.EXPECTED
    early, median, late = told.reach.early, told.reach.median, told.reach.late
    assert early is not None
    assert median is not None
    assert 26 <= early <= median <= 32
    assert late is None or late >= median
    assert f"reached at about epoch {median}" in told.sentence


def test_a_further_target_is_reached_later_and_less_likely() -> None:
    told = [forecast(planned(RISING, 60), target) for target in (0.71, 0.73, 0.76, 0.85, 0.99)]
    chances = [t.chance for t in told]
    assert chances == sorted(chances, reverse=True, key=lambda c: c or 0.0)
    medians = [t.reach.median or math.inf for t in told]
    assert medians == sorted(medians)


def test_a_later_end_is_a_better_chance() -> None:
    one, other = (forecast(planned(RISING, end), 0.74) for end in (30, 90))
    assert one.chance is not None
    assert other.chance is not None
    assert one.chance < other.chance
    assert one.end == 30


def test_a_target_that_was_reached_is_told_with_its_epoch() -> None:
    told = forecast(planned([0.5, 0.6, 0.73, 0.7, 0.71, 0.7, 0.7], 20), 0.72)
    assert told.outlook == Outlook.REACHED
    assert told.reach.median == 3
    assert told.chance == 1
    assert told.sentence == "IoU 0.7200 was reached at epoch 3"


@pytest.mark.parametrize("count", [0, 1, 4])
def test_few_epochs_are_too_early_to_say(count: int) -> None:
    told = forecast(planned(RISING[:count], 60), 0.72)
    assert told.outlook == Outlook.TOO_EARLY
    assert told.chance is None
    assert told.expected_best is None
    assert (told.epochs, told.fan, told.best) == ((), (), ())
    assert told.sentence.startswith("too early to say")


def test_an_interval_too_wide_to_be_of_use_is_too_early() -> None:
    told = forecast(planned(noisy(0.2 + 0.06 * np.arange(6), 0.03), 100), 0.72)
    assert told.outlook == Outlook.TOO_EARLY
    assert told.chance is not None
    assert len(told.fan) == 94


def test_a_new_schedule_is_given_ten_epochs_and_then_judged_by_itself() -> None:
    before = noisy(0.62 * (1 - np.exp(-np.arange(1, 61) / 15)))
    after = noisy(0.62 + 0.005 * np.arange(1, 21), seed=1)
    stretches = (LogSegment(1, "start"), LogSegment(61, "branch", planned_end=100))
    told = []
    for count in (4, 20):
        points = past(before + after[:count]).points
        told.append(forecast(TrainingLog(points, stretches), 0.76))
    assert told[0].outlook == Outlook.TOO_EARLY
    assert told[0].chance is not None
    assert told[1].outlook in (Outlook.OPEN, Outlook.EXPECTED)
    alone = forecast(past(after, first=61, settings={}, planned_end=100), 0.76)
    assert told[1].fan == alone.fan


def test_a_plan_that_has_ended_gives_what_it_gave() -> None:
    told = forecast(planned(FLAT, 40), 0.72)
    assert told.outlook == Outlook.NOT_ON_THIS_SCHEDULE
    assert told.chance == 0
    assert told.best == (max(v for v in FLAT if v is not None),) * 5
    assert told.epochs == ()
    longer = forecast(planned(FLAT, 40), 0.72, horizon=10)
    assert longer.epochs == tuple(range(41, 51))
    assert longer.chance == 0


def test_without_a_plan_it_looks_30_epochs_ahead_or_as_far_as_asked() -> None:
    told = forecast(past(FLAT), 0.72)
    assert (told.end, told.planned, len(told.fan)) == (70, False, 30)
    assert "planned end" not in told.sentence
    assert forecast(past(FLAT), 0.72, horizon=7).end == 47


def test_the_planned_end_comes_from_the_flags_where_it_is_not_written_down() -> None:
    flags = {"schedule": asdict(ScheduleSettings(epochs=90))}
    assert forecast(past(FLAT, lrs=[1e-4] * 40, settings=flags), 0.72).end == 90


def test_the_best_is_at_least_what_was_scored_and_at_least_the_fan() -> None:
    told = forecast(planned(RISING, 40), 0.8)
    assert min(told.best) >= max(v for v in RISING if v is not None)
    assert told.best[2] >= max(quantiles[2] for quantiles in told.fan)
    assert told.expected_best is not None
    assert told.best[0] <= told.expected_best <= told.best[-1]


def sane(told: Forecast) -> None:
    assert isinstance(told.sentence, str)
    assert told.chance is None or 0 <= told.chance <= 1
    assert len(told.fan) == len(told.epochs)
    assert list(told.best) == sorted(told.best)
    for quantiles in told.fan:
        assert list(quantiles) == sorted(quantiles)
        assert all(0 <= q <= 1 for q in quantiles)
    at = [e for e in (told.reach.early, told.reach.median, told.reach.late) if e is not None]
    assert at == sorted(at)


NUMBER = st.none() | st.floats(0, 1) | st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1.0])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 300), NUMBER, NUMBER), max_size=40),
    st.none() | st.integers(-5, 400),
    st.none() | st.integers(-5, 60),
    st.floats(0, 1),
    st.sampled_from([{}, {"schedule": {}}, {"schedule": {"epochs": "x"}}, {"schedule": None}]),
)
def test_no_past_makes_it_fail(
    rows: list[tuple[int, float | None, float | None]],
    end: int | None,
    horizon: int | None,
    target: float,
    flags: dict[str, object],
) -> None:
    points = {epoch: Point(epoch, iou=iou, lr=lr) for epoch, iou, lr in rows}
    stretches = (LogSegment(1, "start", settings=flags, planned_end=end),)  # type: ignore[arg-type]
    for what in (stretches, ()):
        made = TrainingLog(tuple(point for _, point in sorted(points.items())), what)
        sane(forecast(made, target, horizon))
