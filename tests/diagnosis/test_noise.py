import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import theilslopes

from decamo.diagnosis.noise import fit_trend, robust_scale, running_median

finite = st.floats(-10, 10)


def test_the_scale_of_normal_noise_is_its_standard_deviation() -> None:
    scales = [robust_scale(np.random.default_rng(i).normal(3, 0.5, 200)) for i in range(50)]
    assert np.mean(scales) == pytest.approx(0.5, rel=0.03)


def test_outliers_hardly_move_the_scale() -> None:
    values = np.random.default_rng(0).normal(0, 1, 200)
    values[:10] += 1000
    assert robust_scale(values) < 1.4
    assert np.std(values) > 100


def test_too_few_values_have_no_scale() -> None:
    assert robust_scale(np.array([1.0])) == 0.0


@given(st.lists(finite, min_size=1, max_size=30), st.integers(1, 9))
def test_the_running_median_is_that_of_each_tail(values: list[float], width: int) -> None:
    expected = [np.median(values[max(0, i - width + 1) : i + 1]) for i in range(len(values))]
    assert np.array_equal(running_median(np.array(values), width), expected)


@given(st.lists(finite, min_size=2, max_size=30))
def test_the_slope_is_that_of_scipy(values: list[float]) -> None:
    epochs = np.arange(1.0, len(values) + 1)
    trend = fit_trend(epochs, np.array(values), 0.1, 4.0)
    assert trend.slope == pytest.approx(theilslopes(values, epochs).slope, abs=1e-12)


def test_a_straight_line_is_found_through_outliers() -> None:
    epochs = np.arange(20.0, 40)
    values = 0.5 + 0.002 * epochs
    values[[3, 9, 15]] -= 0.3
    trend = fit_trend(epochs, values, 0.004, 4.0)
    assert trend.slope == pytest.approx(0.002)
    assert trend.level == pytest.approx(0.5 + 0.002 * 39)
    assert trend.epochs == (20, 39)
    assert trend.bound(0.5) == pytest.approx(0.002)
    assert trend.bound(0.9) > trend.slope > trend.bound(0.1)
    assert trend.chance_under(trend.bound(0.9)) == pytest.approx(0.9)


def test_the_interval_holds_what_it_promises() -> None:
    epochs, inside = np.arange(17.0), 0
    for seed in range(400):
        values = 0.001 * epochs + np.random.default_rng(seed).normal(0, 0.004, 17)
        trend = fit_trend(epochs, values, 0.004, 4.0)
        inside += trend.bound(0.1) < 0.001 < trend.bound(0.9)
    assert 0.72 < inside / 400 < 0.87


def test_two_epochs_lean_on_the_prior() -> None:
    trend = fit_trend(np.array([86.0, 106.0]), np.array([0.62, 0.66]), 0.004, 4.0)
    assert trend.slope == pytest.approx(0.002)
    assert trend.error == pytest.approx(0.004 * np.sqrt(2) / 20 / np.sqrt(0.91))
