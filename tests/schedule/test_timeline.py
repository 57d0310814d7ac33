import pytest

from decamo.schedule import Segment, SegmentKind, plan_of
from decamo.settings import ScheduleSettings

PLAN = plan_of(
    Segment(
        SegmentKind.START, 0, 0, 0, 0, ScheduleSettings(epochs=6, stage1_epochs=2, batch_size=1), 40
    )
)


@pytest.mark.parametrize(("step", "stage"), [(0, 1), (19, 1), (20, 2), (59, 2), (1000, 2)])
def test_stage_at(step: int, stage: int) -> None:
    assert PLAN.stage_at(step).number == stage


@pytest.mark.parametrize(("epoch", "step"), [(1, 0), (2, 10), (3, 20), (6, 50)])
def test_epoch_start(epoch: int, step: int) -> None:
    assert PLAN.epoch_start(epoch) == step
    assert PLAN.stage_of_epoch(epoch) is PLAN.stage_at(step)


def test_a_rate_is_a_pure_function_of_the_step() -> None:
    forward = [PLAN.lr(s) for s in range(60)]
    backward = [PLAN.lr(s) for s in reversed(range(60))]
    assert forward == backward[::-1]


def test_an_unknown_group_has_no_rate() -> None:
    assert PLAN.lr(30, "nonsense") == 0
