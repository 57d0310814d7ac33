"""The plan: stages and learning-rate curves as pure functions; no torch, no scheduler state."""

from decamo.schedule.lineage import Lineage, Segment, SegmentKind, plan_of, steps_per_epoch
from decamo.schedule.lr_schedule import LRSchedule
from decamo.schedule.recovery import brought_back, raced, rolled_back, split, was_raced
from decamo.schedule.resume import Resumption, resume, unfrozen_before
from decamo.schedule.review import DryRun, RehearsedStage, Spending, review
from decamo.schedule.timeline import HEAD, Plan, Position, Stage, Unfreezing, backbone_group

__all__ = [
    "HEAD",
    "DryRun",
    "LRSchedule",
    "Lineage",
    "Plan",
    "Position",
    "RehearsedStage",
    "Resumption",
    "Segment",
    "SegmentKind",
    "Spending",
    "Stage",
    "Unfreezing",
    "backbone_group",
    "brought_back",
    "plan_of",
    "raced",
    "resume",
    "review",
    "rolled_back",
    "split",
    "steps_per_epoch",
    "unfrozen_before",
    "was_raced",
]
