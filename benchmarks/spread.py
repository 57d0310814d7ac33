"""Median and quartiles of what was measured round by round."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Spread"]


@dataclass(frozen=True)
class Spread:
    """Median and quartiles; of one value that value three times."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one or more values; quartiles between two of them are interpolated."""
        low, middle, high = np.percentile(values, [25, 50, 75]).tolist()
        return cls(middle, low, high)
