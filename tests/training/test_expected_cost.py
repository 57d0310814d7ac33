from dataclasses import replace

import pytest

from decamo.checkpoint import Checkpoint
from decamo.schedule import Lineage, Position, Resumption, Segment, SegmentKind
from decamo.settings import ModelSettings, ScheduleSettings, TrainSettings
from decamo.training import expected_spending
from tests.checkpoints import checkpoint_with
from tests.history.test_records import RECORD

SCHEDULE = ScheduleSettings(epochs=10, stage1_epochs=4, batch_size=2, img_size=64)
SETTINGS = TrainSettings(
    model=ModelSettings("test_efficientnet", num_experts=2, pretrained=False), schedule=SCHEDULE
)


def resumption(epoch: int) -> Resumption:
    lineage = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, SCHEDULE, 20),))
    return Resumption(
        SegmentKind.CONTINUE, lineage, Position(epoch, lineage.plan.epoch_start(epoch + 1)), ""
    )


def past(seconds: float, size: int) -> Checkpoint:
    record = replace(RECORD, stage=2, train_seconds=seconds, val_seconds=5.0, img_size=size)
    return checkpoint_with(history=(record,))


def test_without_a_past_nothing_is_claimed() -> None:
    spending = expected_spending(SETTINGS, resumption(0), None, measure=False)
    assert [(s.stage, s.epochs, s.seconds_per_epoch) for s in spending] == [
        (1, 4, None),
        (2, 6, None),
    ]


def test_past_epochs_are_scaled_by_pixels() -> None:
    (spending,) = expected_spending(SETTINGS, resumption(7), past(40.0, 32), measure=False)
    assert spending.epochs == 3
    assert spending.seconds_per_epoch == pytest.approx(40 * 4 + 5)
