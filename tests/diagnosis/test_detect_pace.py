from dataclasses import replace

import numpy as np
import pytest

from decamo.diagnosis import SymptomKind, Thresholds
from decamo.diagnosis.detect_pace import pace
from decamo.history import LogSegment, TrainingLog
from tests.diagnosis.build import T, past, seen


@pytest.mark.parametrize(
    ("gain", "kind"),
    [
        (-0.01, SymptomKind.PLATEAU),
        (0.0, SymptomKind.PLATEAU),
        (0.01, SymptomKind.PLATEAU),  # "only gained 0.01 IoU in last 17 epochs"
        (0.016, SymptomKind.SLOW),
        (0.0266, SymptomKind.SLOW),  # "slow progress but moving"
        (0.04, SymptomKind.HEALTHY),
    ],
)
def test_straight_runs_get_the_word_of_their_gain(gain: float, kind: SymptomKind) -> None:
    (symptom,) = seen(pace, past([0.6 + gain * i / 17 for i in range(40)]))
    assert symptom.kind == kind
    assert symptom.evidence[0].value == pytest.approx(gain, abs=1e-6)


def test_a_plateau_is_not_called_before_its_seventeen_epochs() -> None:
    assert seen(pace, past([0.6] * 16))[0].kind == SymptomKind.TOO_EARLY
    assert seen(pace, past([0.6] * 17))[0].kind == SymptomKind.PLATEAU


def test_a_plateau_must_rule_out_a_moving_run() -> None:
    (symptom,) = seen(pace, past([0.6 + v for v in [0.04, -0.04, -0.04, 0.04] * 5]))
    assert symptom.kind == SymptomKind.TOO_EARLY
    assert "between" in symptom.sentence


def test_a_rise_that_has_just_stopped_is_not_healthy_any_more() -> None:
    rise = [0.355, 0.372, 0.385, 0.402, 0.402, 0.422, 0.445, 0.454, 0.457, 0.470]
    flat = [0.472, 0.468, 0.469, 0.470, 0.468, 0.471, 0.467, 0.470, 0.472, 0.470, 0.471, 0.469]
    assert seen(pace, past(rise))[0].kind == SymptomKind.HEALTHY
    (symptom,) = seen(pace, past([*rise, *flat]))
    assert symptom.kind == SymptomKind.SLOW
    assert "slowing down" in symptom.sentence


def test_where_the_learning_rate_is_spent_a_shorter_stand_will_do() -> None:
    rise = [0.355, 0.372, 0.385, 0.402, 0.402, 0.422, 0.445, 0.454, 0.457, 0.470]
    flat = [0.472, 0.468, 0.469, 0.470, 0.468, 0.471, 0.467, 0.470]
    held = past([*rise, *flat], lrs=[1e-3] * 18)
    spent = past([*rise, *flat], lrs=list(np.geomspace(1e-3, 1e-5, 18)))
    assert seen(pace, held)[0].kind == SymptomKind.HEALTHY
    assert seen(pace, spent)[0].kind == SymptomKind.SLOW


def fallen_off(
    gain: float, share: float = 0.001, *, since: int = 12, steps: int = 1
) -> TrainingLog:
    """Noisy at 0.0005, lifted as the rate falls off; then so much is gained in 17 epochs.

    The rate falls to ``share`` of it from one epoch to the next, or in several equal steps.
    """
    noisy = [0.243, 0.254, 0.258, 0.248, 0.225, 0.253, 0.242, 0.247]
    still = [0.259 + gain * i / 17 for i in range(since)]
    between = [5e-4 * share ** (i / steps) for i in range(1, steps)]
    high = len(noisy) - len(between)
    rates = [5e-4] * high + between + [5e-4 * share] * since
    return past([*noisy, *still], lrs=rates)


@pytest.mark.parametrize(
    ("past", "kind"),
    [
        (fallen_off(0.0), SymptomKind.PLATEAU),
        (fallen_off(0.005), SymptomKind.PLATEAU),
        (fallen_off(0.005, 0.1), SymptomKind.PLATEAU),  # the usual step of a stepped schedule
        (fallen_off(0.0266), SymptomKind.SLOW),  # it moves on at the low rate
        (fallen_off(0.06), SymptomKind.HEALTHY),
    ],
)
def test_the_lift_as_the_rate_falls_off_is_no_pace(past: TrainingLog, kind: SymptomKind) -> None:
    (symptom,) = seen(pace, past)
    assert symptom.kind == kind
    assert symptom.epochs == (9, 20)


@pytest.mark.parametrize(
    "past",
    [
        fallen_off(0.005, 0.2),  # a fifth is no end of a pace
        fallen_off(0.005, since=11),
        fallen_off(0.005, steps=6),  # annealed, not fallen off: by three each epoch
    ],
)
def test_a_rate_that_did_not_fall_off_long_ago_leaves_the_window_whole(past: TrainingLog) -> None:
    (symptom,) = seen(pace, past)
    assert symptom.epochs[0] < 9
    assert symptom.kind != SymptomKind.PLATEAU


RISE = [0.2 + 0.02 * i for i in range(12)]


def turned_down(
    gain: float, *, share: float = 0.01, rise: list[float] = RISE, epochs: int = 20
) -> TrainingLog:
    """A rise at 0.003, then a branch at a share of it that gains so much in 17 epochs."""
    after = [rise[-1] + gain * (i + 1) / 17 for i in range(epochs)]
    rates = [0.003] * len(rise) + [0.003 * share] * epochs
    made = past([*rise, *after], lrs=rates, stage=2)
    return replace(made, stretches=(LogSegment(1, "start"), LogSegment(len(rise) + 1, "branch")))


def test_slow_at_a_hundredth_of_the_rate_at_which_it_rose_fast_is_held_back() -> None:
    (symptom,) = seen(pace, turned_down(0.017))
    assert symptom.kind == SymptomKind.HELD_BACK
    assert symptom.alarms
    assert "is 1/100 of that at which it learned, 0.003" in symptom.sentence
    assert "+0.0100 IoU in 10 epochs over epochs 15 to 32, and +0.2000" in symptom.sentence
    times, share, gained = symptom.evidence[:3]
    assert times.value == pytest.approx(20)  # 0.02 an epoch, and 0.001
    assert times.epochs == (1, 12)
    assert share.value == pytest.approx(0.01)
    assert gained.value == pytest.approx(0.017)


@pytest.mark.parametrize(
    ("past", "kind"),
    [
        (turned_down(0.0), SymptomKind.PLATEAU),
        (turned_down(0.017, share=0.2), SymptomKind.SLOW),  # a fifth of the rate
        (turned_down(0.017, share=10), SymptomKind.SLOW),  # turned up
        (turned_down(0.06), SymptomKind.HEALTHY),
        # it had come to its end before the rate was turned down
        (turned_down(0.017, rise=[*RISE, *[RISE[-1]] * 17]), SymptomKind.SLOW),
        # 0.0035 an epoch is not four times 0.001
        (turned_down(0.017, rise=[0.2 + 0.0035 * i for i in range(12)]), SymptomKind.SLOW),
    ],
)
def test_without_both_it_is_not_held_back(past: TrainingLog, kind: SymptomKind) -> None:
    assert seen(pace, past)[0].kind == kind


def test_a_rise_that_may_be_noise_holds_nothing_back() -> None:
    rng = np.random.default_rng(0)
    noisy = [0.3 + 0.006 * i + float(v) for i, v in enumerate(rng.normal(0, 0.05, 12))]
    assert seen(pace, turned_down(0.017, rise=noisy))[0].kind == SymptomKind.SLOW


def test_nothing_is_said_of_nothing() -> None:
    (symptom,) = seen(pace, past([]))
    assert symptom.kind == SymptomKind.TOO_EARLY
    assert "no epoch" in symptom.sentence


def test_five_good_epochs_are_good_signs() -> None:
    ious, losses = [0.635, 0.6385, 0.6421, 0.6458, 0.6489], [0.234, 0.23, 0.227, 0.2245, 0.222]
    (symptom,) = seen(pace, past(ious, losses, [2e-4, 1.95e-4, 1.9e-4, 1.85e-4, 1.8e-4], 87))
    assert symptom.kind == SymptomKind.HEALTHY
    assert "the loss falls and the learning rate anneals" in symptom.sentence


def test_thresholds_are_obeyed() -> None:
    slow = past([0.6 + 0.02 * i / 17 for i in range(40)])
    assert (
        seen(pace, slow, Thresholds(plateau_gain=0.03, moving_gain=0.08))[0].kind
        == SymptomKind.PLATEAU
    )
    assert seen(pace, slow, Thresholds(healthy_gain=0.01))[0].kind == SymptomKind.HEALTHY


def test_always_exactly_one_word() -> None:
    rng = np.random.default_rng(0)
    for length in range(25):
        what = past([*rng.uniform(0, 1, length)])
        assert len(seen(pace, what, T)) == 1
