import numpy as np
import pytest

from decamo.diagnosis import RunView, Thresholds
from decamo.diagnosis.rates import WINDOWS, pace_now, paces
from decamo.history import Point, TrainingLog
from tests.diagnosis.build import T, past


def test_one_score_or_two_close_ones_tell_no_pace() -> None:
    assert pace_now(RunView(past([0.6])), T) is None
    assert pace_now(RunView(past([0.6, 0.61, 0.62, 0.63])), T) is None
    assert pace_now(RunView(past([])), T) is None


def test_two_scores_far_apart_do() -> None:
    trend = pace_now(RunView(TrainingLog((Point(86, iou=0.62), Point(106, iou=0.66)))), T)
    assert trend is not None
    assert trend.slope == pytest.approx(0.002)


def test_the_pace_is_that_of_the_end() -> None:
    rise, flat = np.linspace(0.3, 0.6, 40), np.full(30, 0.6)
    trend = pace_now(RunView(past([*rise, *flat])), T)
    assert trend is not None
    assert abs(17 * trend.slope) < 0.004
    assert trend.level == pytest.approx(0.6, abs=0.003)


def test_there_is_a_pace_for_each_window_and_for_the_plateaus() -> None:
    epochs = np.arange(1.0, 31)
    found = paces(epochs, 0.01 * epochs, Thresholds(plateau_epochs=20))
    assert set(found) == {*WINDOWS, 20}
