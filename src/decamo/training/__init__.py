"""The run itself: runtime, groups, step, average, state, events, trainer."""

from decamo.training.prepare import Prepared, prepare, resumption_of
from decamo.training.runtime import Runtime, close_runtime, open_runtime
from decamo.training.spending import expected_spending
from decamo.training.supply import Supply, find_supply
from decamo.training.trainer import Trainer

__all__ = [
    "Prepared",
    "Runtime",
    "Supply",
    "Trainer",
    "close_runtime",
    "expected_spending",
    "find_supply",
    "open_runtime",
    "prepare",
    "resumption_of",
]
