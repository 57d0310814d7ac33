"""The run itself: runtime, groups, step, average, state, events, trainer.

Here is what a plan needs; all that needs torch or numpy is taken from its own module.
"""

from decamo.training.resumption import is_complete, resumption_of
from decamo.training.spending import expected_spending

__all__ = [
    "expected_spending",
    "is_complete",
    "resumption_of",
]
