"""Runs to report on: the action plan's, at epoch 86 of 120."""

from dataclasses import replace

from decamo.schedule import Lineage, Position, Resumption, Segment, SegmentKind, resume
from decamo.settings import ScheduleSettings

__all__ = ["IMAGES", "SCHEDULE", "branched", "started"]

IMAGES = 80
SCHEDULE = ScheduleSettings(progressive_unfreeze=True, stage2_lr=0.00005)


def started(schedule: ScheduleSettings = SCHEDULE, world: int = 1) -> Lineage:
    """The lineage of a new run."""
    return Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, schedule, IMAGES, world),))


def branched(epoch: int = 86) -> Resumption:
    """Option 1 on a run that stands at ``epoch``."""
    lineage = started()
    wanted = replace(SCHEDULE, stage2_lr=0.0002, skip_stage1=True, stage2_batch_size=1)
    position = Position(epoch, lineage.plan.epoch_start(epoch + 1))
    return resume(lineage, wanted, position, images=IMAGES)
