"""Branches of one checkpoint, raced on an equal budget: which gets off the plateau, and why.

What needs torch (`departure`, `trial`, `race`) is taken from its own module.
"""

from decamo.races.branch import BEFORE, CONTROL, TWIN, Branch, standard_branches
from decamo.races.judge import Gap, Verdict, behind, judge, luck_of, pair_gaps
from decamo.races.meaning import Facts, Meaning, meaning_of
from decamo.races.standing import Standing

__all__ = [
    "BEFORE",
    "CONTROL",
    "TWIN",
    "Branch",
    "Facts",
    "Gap",
    "Meaning",
    "Standing",
    "Verdict",
    "behind",
    "judge",
    "luck_of",
    "meaning_of",
    "pair_gaps",
    "standard_branches",
]
