import pytest

from decamo.diagnosis.detect_schedule import near_target, target_reached
from tests.diagnosis.build import past, seen


def test_the_best_epoch_counts() -> None:
    (symptom,) = seen(target_reached, past([0.7, 0.73, 0.71], first=100), target=0.72)
    assert symptom.epochs == (101, 101)
    assert not seen(target_reached, past([0.7, 0.7199]), target=0.72)
    assert not seen(target_reached, past([0.9]))
    assert not seen(target_reached, past([None]), target=0.72)


@pytest.mark.parametrize(
    ("last", "near"), [(0.6999, 0), (0.7001, 1), (0.7134, 1), (0.72, 0), (0.8, 0)]
)
def test_almost_there(last: float, near: int) -> None:
    assert len(seen(near_target, past([0.5, last]), target=0.72)) == near
