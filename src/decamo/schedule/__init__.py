"""The plan: stages and learning-rate curves as pure functions; no torch, no scheduler state."""

from decamo.schedule.curves import Curve
from decamo.schedule.ledger import Ledger, Segment, SegmentKind, plan_of, steps_per_epoch
from decamo.schedule.mend import brought_back, raced, rolled_back, split, was_raced
from decamo.schedule.resume import Resumption, opened_before, resume
from decamo.schedule.review import review
from decamo.schedule.spending import Preflight, Rehearsed, Spending
from decamo.schedule.timeline import HEAD, Opening, Plan, Position, Stage, backbone_group

__all__ = [
    "HEAD",
    "Curve",
    "Ledger",
    "Opening",
    "Plan",
    "Position",
    "Preflight",
    "Rehearsed",
    "Resumption",
    "Segment",
    "SegmentKind",
    "Spending",
    "Stage",
    "backbone_group",
    "brought_back",
    "opened_before",
    "plan_of",
    "raced",
    "resume",
    "review",
    "rolled_back",
    "split",
    "steps_per_epoch",
    "was_raced",
]
