"""What a plan will take, in words."""

from collections.abc import Sequence

from decamo.report.plan_text import epoch_rows
from decamo.training.spending import Spending

__all__ = ["duration", "spending_text"]
