import numpy as np
import pytest

from decamo.diagnosis import Kind, Thresholds
from decamo.diagnosis.detect_pace import pace
from tests.diagnosis.build import T, past, seen


@pytest.mark.parametrize(
    ("gain", "kind"),
    [
        (-0.01, Kind.PLATEAU),
        (0.0, Kind.PLATEAU),
        (0.01, Kind.PLATEAU),  # "only gained 0.01 IoU in last 17 epochs"
        (0.016, Kind.SLOW),
        (0.0266, Kind.SLOW),  # "slow progress but moving"
        (0.04, Kind.HEALTHY),
    ],
)
def test_straight_runs_get_the_word_of_their_gain(gain: float, kind: Kind) -> None:
    (symptom,) = seen(pace, past([0.6 + gain * i / 17 for i in range(40)]))
    assert symptom.kind == kind
    assert symptom.evidence[0].value == pytest.approx(gain, abs=1e-6)


def test_a_plateau_is_not_called_before_its_seventeen_epochs() -> None:
    assert seen(pace, past([0.6] * 16))[0].kind == Kind.TOO_EARLY
    assert seen(pace, past([0.6] * 17))[0].kind == Kind.PLATEAU


def test_a_plateau_must_rule_out_a_moving_run() -> None:
    (symptom,) = seen(pace, past([0.6 + v for v in [0.04, -0.04, -0.04, 0.04] * 5]))
    assert symptom.kind == Kind.TOO_EARLY
    assert "between" in symptom.sentence


def test_a_rise_that_has_just_stopped_is_not_healthy_any_more() -> None:
    rise = [0.355, 0.372, 0.385, 0.402, 0.402, 0.422, 0.445, 0.454, 0.457, 0.470]
    flat = [0.472, 0.468, 0.469, 0.470, 0.468, 0.471, 0.467, 0.470, 0.472, 0.470, 0.471, 0.469]
    assert seen(pace, past(rise))[0].kind == Kind.HEALTHY
    (symptom,) = seen(pace, past([*rise, *flat]))
    assert symptom.kind == Kind.SLOW
    assert "slowing down" in symptom.sentence


def test_where_the_learning_rate_is_spent_a_shorter_stand_will_do() -> None:
    rise = [0.355, 0.372, 0.385, 0.402, 0.402, 0.422, 0.445, 0.454, 0.457, 0.470]
    flat = [0.472, 0.468, 0.469, 0.470, 0.468, 0.471, 0.467, 0.470]
    held = past([*rise, *flat], lrs=[1e-3] * 18)
    spent = past([*rise, *flat], lrs=list(np.geomspace(1e-3, 1e-5, 18)))
    assert seen(pace, held)[0].kind == Kind.HEALTHY
    assert seen(pace, spent)[0].kind == Kind.SLOW


def test_nothing_is_said_of_nothing() -> None:
    (symptom,) = seen(pace, past([]))
    assert symptom.kind == Kind.TOO_EARLY
    assert "no epoch" in symptom.sentence


def test_five_good_epochs_are_good_signs() -> None:
    ious, losses = [0.635, 0.6385, 0.6421, 0.6458, 0.6489], [0.234, 0.23, 0.227, 0.2245, 0.222]
    (symptom,) = seen(pace, past(ious, losses, [2e-4, 1.95e-4, 1.9e-4, 1.85e-4, 1.8e-4], 87))
    assert symptom.kind == Kind.HEALTHY
    assert "the loss falls and the learning rate anneals" in symptom.sentence


def test_thresholds_are_obeyed() -> None:
    slow = past([0.6 + 0.02 * i / 17 for i in range(40)])
    assert seen(pace, slow, Thresholds(plateau_gain=0.03, moving_gain=0.08))[0].kind == Kind.PLATEAU
    assert seen(pace, slow, Thresholds(healthy_gain=0.01))[0].kind == Kind.HEALTHY


def test_always_exactly_one_word() -> None:
    rng = np.random.default_rng(0)
    for length in range(25):
        what = past([*rng.uniform(0, 1, length)])
        assert len(seen(pace, what, T)) == 1
