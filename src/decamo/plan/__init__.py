"""The plan: stages and learning-rate curves as pure functions; no torch, no scheduler state."""

from decamo.plan.curves import Curve
from decamo.plan.ledger import Ledger, Segment, plan_of, steps_per_epoch
from decamo.plan.mend import brought_back, raced, rolled_back, split, was_raced
from decamo.plan.plan import Plan, Position
from decamo.plan.resume import Resumption, opened_before, resume
from decamo.plan.review import review
from decamo.plan.spending import Preflight, Rehearsed, Spending
from decamo.plan.stage import HEAD, Opening, Stage, backbone_group

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
