from dataclasses import replace

import numpy as np
import pytest

from decamo.diagnosis.fan import LEVELS, Fan, fan_ahead
from decamo.diagnosis.growth import logit
from decamo.history import Point, TrainingLog
from tests.diagnosis.build import past


def rising(count: int, noise: float = 0.004, seed: int = 0, first: int = 1) -> TrainingLog:
    generator = np.random.default_rng(seed)
    ious = 0.6 - 0.3 * np.exp(-np.arange(count) / 12) + generator.normal(0, noise, count)
    return past(list(ious), first=first)


def opened(what: TrainingLog, horizon: int, widening: float = 1.0) -> Fan:
    fan = fan_ahead(what, horizon, widening=widening)
    assert fan is not None
    return fan


def test_quantiles_are_ordered_within_0_and_1_and_widen_ahead() -> None:
    fan = opened(rising(20), 100)
    quantiles = fan.quantiles()
    assert quantiles.shape == (len(LEVELS), 100)
    assert (np.diff(quantiles, axis=0) > 0).all()
    assert (quantiles > 0).all()
    assert (quantiles < 1).all()
    width = quantiles[-1] - quantiles[0]
    assert width[50:].mean() > 1.5 * width[:5].mean()


@pytest.mark.parametrize("iou", [0.0, 0.5, 1.0])
def test_a_curve_without_noise_still_has_an_interval(iou: float) -> None:
    quantiles = opened(past([iou] * 12), 30).quantiles()
    assert (quantiles[-1] - quantiles[0] > 1e-4).all()
    assert abs(quantiles[2] - np.clip(iou, 0.005, 0.995)).max() < 0.01


def test_the_same_past_and_seed_give_the_same_paths() -> None:
    one, other = (opened(rising(20), 10) for _ in range(2))
    np.testing.assert_array_equal(one.paths, other.paths)


def test_paths_go_on_from_the_last_epoch_written_down() -> None:
    fan = opened(replace(rising(20), points=(*rising(20).points, Point(23))), 3)
    assert list(fan.epochs) == [24, 25, 26]


def test_scores_that_are_no_numbers_in_front_change_nothing() -> None:
    known = rising(20, first=6)
    nameless = tuple(Point(e, iou=float("nan")) for e in range(1, 6))
    other = replace(known, points=nameless + known.points)
    np.testing.assert_array_equal(opened(known, 10).paths, opened(other, 10).paths)


def test_when_the_epochs_are_numbered_does_not_matter() -> None:
    one, other = opened(rising(20), 10), opened(rising(20, first=101), 10)
    np.testing.assert_allclose(one.paths, other.paths, atol=1e-9)


def test_missing_epochs_move_the_forecast_little() -> None:
    whole = rising(40)
    some = replace(whole, points=tuple(p for p in whole.points if p.epoch % 4 != 2))
    off = opened(whole, 20).quantiles()[2] - opened(some, 20).quantiles()[2]
    assert np.abs(off).max() < 0.012


def test_a_short_dip_moves_the_forecast_little() -> None:
    whole = rising(40)
    points = [replace(p, iou=0.3) if p.epoch in (37, 38) else p for p in whole.points]
    off = (
        opened(whole, 20).quantiles()[2]
        - opened(replace(whole, points=tuple(points)), 20).quantiles()[2]
    )
    assert np.abs(off).max() < 0.012


def test_epochs_before_take_off_are_no_part_of_the_growth() -> None:
    late = past([0.0, 0.0, 0.0, 0.01, *(p.iou for p in rising(20).points)])
    off = opened(late, 20).quantiles()[2] - opened(rising(20), 20).quantiles()[2]
    assert np.abs(off).max() < 0.01


def test_widening_stretches_about_the_median() -> None:
    plain, wide = (logit(opened(rising(20), 10, w).quantiles()) for w in (1.0, 1.7))
    np.testing.assert_allclose(wide[2], plain[2], atol=1e-6)
    np.testing.assert_allclose(wide[4] - wide[2], 1.7 * (plain[4] - plain[2]), rtol=1e-3)


@pytest.mark.parametrize(("count", "horizon"), [(0, 10), (4, 10), (20, 0), (20, -3)])
def test_too_few_scores_or_no_epoch_ahead_make_no_fan(count: int, horizon: int) -> None:
    assert fan_ahead(rising(count), horizon) is None


def test_rates_told_beforehand_bear_on_the_noise() -> None:
    generator = np.random.default_rng(5)
    rates = 1e-3 * (1 - np.arange(60) / 60)
    ious = 0.5 + generator.normal(0, 0.01, 60) * np.sqrt(rates / rates[0])
    known = past(list(ious[:40]), lrs=list(rates[:40]))
    told = fan_ahead(known, 20, {e + 1: float(rates[e]) for e in range(40, 60)})
    assert told is not None
    width = np.ptp(told.quantiles(), axis=0)
    assert width[-1] < 0.9 * np.ptp(opened(replace(known), 20).quantiles(), axis=0)[-1]


def test_intervals_hold_what_made_up_runs_did_as_often_as_they_say() -> None:
    """Exponential growth with correlated noise: no form on the grid is exactly it."""
    inside = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        bend, gain = generator.uniform(5, 40), generator.uniform(0, 0.25)
        noise = np.zeros(60)
        for i in range(1, 60):
            noise[i] = 0.3 * noise[i - 1] + generator.normal(0, 0.006)
        ious = 0.35 + gain * (1 - np.exp(-np.arange(60) / bend)) + noise
        quantiles = opened(past(list(ious[:25])), 35).quantiles()
        inside.append(((quantiles[0] <= ious[25:]) & (ious[25:] <= quantiles[-1])).mean())
    assert 0.7 < float(np.mean(inside)) < 0.97
