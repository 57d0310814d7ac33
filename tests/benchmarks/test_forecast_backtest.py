from pathlib import Path

import numpy as np
import pytest

import decamo
from benchmarks.forecast_backtest import CUTS, Trial, bets, coverage, trials, widening_for
from decamo.history import TrainingLog, read_training_log
from tests.diagnosis.build import past

CURVES = Path(decamo.__file__).parents[2] / "docs" / "results" / "curves"


def made(seed: int, count: int = 30) -> TrainingLog:
    generator = np.random.default_rng(seed)
    return past(list(0.5 + generator.normal(0, 0.01, count)), lrs=[1e-3] * count)


def trial(run: str, truth: float) -> Trial:
    return Trial(run, 10, 1, truth, low=-1.0, middle=0.0, high=2.0, error=0.1, naive=0.1)


def test_each_epoch_after_each_cut_is_foretold_once() -> None:
    found = trials("a", made(0))
    assert [(t.cut, t.ahead) for t in found] == [
        (cut, ahead) for cut in (9, 15, 21) for ahead in range(1, 31 - cut)
    ]
    assert len(CUTS) == 3


def test_nothing_after_the_cut_is_known_to_the_forecast() -> None:
    whole = made(0)
    other = past([p.iou for p in whole.points[:15]] + [0.9] * 15, lrs=[1e-3] * 30)
    one, two = (trials("a", p, (0.5,)) for p in (whole, other))
    assert [(t.low, t.middle, t.high) for t in one] == [(t.low, t.middle, t.high) for t in two]
    assert [t.truth for t in one] != [t.truth for t in two]


def test_errors_are_in_iou_and_the_naive_one_is_the_last_scores() -> None:
    what = past([0.5] * 15 + [0.6] * 15)
    for t in trials("a", what, (0.5,)):
        assert t.naive == pytest.approx(0.1)
        assert t.error == pytest.approx(0.1, abs=0.01)


def test_epochs_without_a_score_are_not_held_against_it() -> None:
    ious = [0.5] * 15 + [None, float("nan"), 0.5, 0.51]
    assert [t.ahead for t in trials("a", past(ious), (0.8,))] == [3, 4]


def test_short_curves_are_passed_over() -> None:
    assert trials("a", past([0.5] * 6)) == ()
    assert trials("a", TrainingLog(())) == ()
    assert bets("a", past([0.5] * 6)) == ()


def test_coverage_counts_runs_alike() -> None:
    found = [trial("a", 0.0)] * 9 + [trial("b", 5.0)]
    assert coverage(found) == 0.5
    assert coverage(found, {"a": 1.0, "b": 3.0}) == 1
    assert np.isnan(coverage([]))


def test_the_interval_is_widened_on_the_truths_own_side() -> None:
    assert trial("a", 1.9).inside(1.0)
    assert not trial("a", -1.1).inside(1.0)
    assert trial("a", -1.1).inside(1.2)


def test_the_widening_is_the_least_that_is_enough() -> None:
    found = [trial("a", truth) for truth in (0.5, 1.0, 2.0, 3.0, 8.0)]
    assert widening_for(found, 0.8) == pytest.approx(1.5, rel=0.02)
    assert widening_for(found, 1.0) == pytest.approx(4.0)


def test_bets_ask_for_more_than_the_best_so_far() -> None:
    found = bets("a", past([0.5] * 15 + [0.512] * 15), (0.5,))
    assert [b.came for b in found] == [True, True, False]
    chances = [b.chance for b in found]
    assert chances == sorted(chances, reverse=True)


@pytest.mark.long
def test_intervals_hold_on_the_recorded_curves_with_each_run_left_out() -> None:
    found = [
        t
        for file in sorted(CURVES.glob("*.csv"))
        for t in trials(file.stem, read_training_log([file]))
    ]
    runs = {t.run for t in found}
    assert len(runs) >= 7
    left_out = {run: widening_for([t for t in found if t.run != run]) for run in runs}
    assert 0.65 <= coverage(found, left_out) <= 0.95
    assert 0.65 <= coverage(found) <= 0.95
    errors = np.mean([(t.error, t.naive) for t in found], axis=0)
    assert errors[0] < 1.25 * errors[1]  # on runs in their plateau the last value is hard to beat
