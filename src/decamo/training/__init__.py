"""The run itself: runtime, groups, step, average, state, events, trainer.

Here is what a plan needs; all that needs torch or numpy is taken from its own module.
"""

from decamo.training.expected_cost import expected_spending
from decamo.training.resumption import is_complete, resumption_of

__all__ = [
    "expected_spending",
    "is_complete",
    "resumption_of",
]
