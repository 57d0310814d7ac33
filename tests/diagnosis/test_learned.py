from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from decamo.diagnosis import RunView
from decamo.diagnosis.rates import Learned, learned_before, learned_rate
from decamo.history import LogSegment, TrainingLog
from tests.diagnosis.build import T, past

LOW = 0.00003
FEW = 18


def branched(
    ious: Sequence[float], rates: Sequence[float], low: float = LOW, stage: int | None = 2
) -> RunView:
    """Some epochs, and 18 more at a low rate after a branch, as they are read of a run folder."""
    n = len(ious)
    made = past([*ious, *[ious[-1]] * FEW], lrs=[*rates, *[low] * FEW], stage=2, img_size=64)
    points = tuple(replace(p, stage=stage if p.epoch <= n else 2) for p in made.points)
    return RunView(TrainingLog(points, (LogSegment(1, "start"), LogSegment(n + 1, "branch"))))


def test_the_rate_is_the_highest_with_a_new_best_iou() -> None:
    rates = [0.003, 0.002, 0.001]
    assert learned_rate(branched([0.3, 0.4, 0.45], rates), T) == 0.002  # the first has no gain yet
    assert learned_rate(branched([0.4, 0.3, 0.45], rates), T) == 0.001  # it fell at 0.002
    assert learned_rate(branched([0.4, 0.41, 0.42], rates), T) is None  # not what is called moving
    assert learned_rate(branched([0.3, 0.4, 0.45], rates, stage=1), T) is None  # a head's own
    assert (
        learned_rate(RunView(past([0.3, 0.5, 0.6], lrs=[0.003] * 3, stage=2)), T) is None
    )  # present


RISE = [0.2 + 0.02 * i for i in range(10)]


def before(case: RunView) -> Learned:
    found = learned_before(case, T)
    assert found is not None
    return found


def test_the_pace_at_the_higher_rates_is_that_of_a_straight_line() -> None:
    found = before(branched(RISE, [0.003] * 10))
    assert found.pace.slope == pytest.approx(0.02)
    assert found.pace.epochs == (1, 10)
    assert (found.rate, found.top) == (0.003, LOW)
    assert found.share == pytest.approx(0.01)


def test_only_the_last_seventeen_epochs_at_such_rates_are_looked_at() -> None:
    """A run that had come to its end at the high rate was not held back by what came after."""
    rise = [0.2 + 0.02 * i for i in range(15)]
    found = before(branched([*rise, *[rise[-1]] * 17], [0.003] * 32))
    assert found.pace.epochs == (16, 32)
    assert found.pace.slope == pytest.approx(0.0, abs=1e-12)


def test_epochs_at_rates_less_than_ten_times_as_high_do_not_count() -> None:
    rates = [*[0.003] * 7, *[9 * LOW] * 3]
    assert before(branched(RISE, rates)).pace.epochs == (1, 7)
    rates = [*[0.003] * 7, *[11 * LOW] * 3]
    assert before(branched(RISE, rates)).pace.epochs == (1, 10)


@pytest.mark.parametrize("low", [0.0004, 0.003, 0.03, 0.0])
def test_rates_that_are_not_far_lower_are_none(low: float) -> None:
    assert learned_before(branched(RISE, [0.003] * 10), T) is not None
    assert learned_before(branched(RISE, [0.003] * 10, low), T) is None


def test_too_few_epochs_are_none() -> None:
    assert learned_before(branched(RISE[:5], [0.003] * 5), T) is not None
    assert learned_before(branched(RISE[:4], [0.003] * 4), T) is None


def test_another_size_is_another_task() -> None:
    case = branched(RISE, [0.003] * 10)
    points = tuple(replace(p, img_size=32 if p.epoch <= 10 else 64) for p in case.past.points)
    assert learned_before(replace(case, past=replace(case.past, points=points)), T) is None


def test_one_schedule_that_annealed_is_none() -> None:
    rates = [*np.geomspace(0.003, LOW, 28)]
    assert learned_before(RunView(past([*RISE, *[0.4] * 18], lrs=rates, stage=2)), T) is None
