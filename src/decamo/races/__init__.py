"""Branches of one checkpoint, raced on an equal budget: which gets off the plateau, and why.

What needs torch (`branch_checkpoint`, `trial`, `race` and what is built on them) is taken from its
own module.
"""

from decamo.races.branch import BEFORE, CONTROL, TWIN, Branch, standard_branches
from decamo.races.judge import Gap, Verdict, judge, pair_gaps, seed_noise_of, surely_worse
from decamo.races.start_point import StartPoint

__all__ = [
    "BEFORE",
    "CONTROL",
    "TWIN",
    "Branch",
    "Gap",
    "StartPoint",
    "Verdict",
    "judge",
    "pair_gaps",
    "seed_noise_of",
    "standard_branches",
    "surely_worse",
]
