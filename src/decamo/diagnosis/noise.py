"""A run's own noise, and trends that know how sure they are.

The slope is that of Theil (1950) and Sen (1968): the median of the slopes of all pairs, which up to
29 % of outliers cannot carry away. Its standard error is the least-squares one with a robust scale
of the residuals; a short past leans on a prior.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Trend", "fit_trend", "robust_scale", "running_median"]

Array = NDArray[np.floating[Any]]

# Theil-Sen needs 1 / 0.91 of the variance of least squares under normal noise (Wilcox 2010).
EFFICIENCY = 0.91


@dataclass(frozen=True)
class Trend:
    """A straight line through some epochs.

    Attributes:
        first: first epoch.
        last: last epoch.
        points: how many epochs with a value.
        slope: per epoch.
        error: standard error of the slope.
        level: height of the line at the last epoch.
        noise: standard deviation of a value about the line.
    """

    first: int
    last: int
    points: int
    slope: float
    error: float
    level: float
    noise: float

    @property
    def epochs(self) -> tuple[int, int]:
        """First and last epoch."""
        return self.first, self.last

    def bound(self, confidence: float) -> float:
        """The slope is under this with probability ``confidence``; under 0.5 a lower bound."""
        return self.slope + NormalDist().inv_cdf(confidence) * self.error

    def chance_under(self, slope: float) -> float:
        """Probability that the true slope is under ``slope``."""
        return NormalDist().cdf((slope - self.slope) / self.error)


def robust_scale(values: Array, lost: int = 1) -> float:
    """Standard deviation about the median, deaf to outliers.

    Values beyond 3 scaled median absolute deviations are pulled in to there; then it is the root
    mean square: nearly as exact as the plain one on normal noise, where the MAD alone throws away
    63 % of the evidence.

    Args:
        values: ``[n]``.
        lost: degrees of freedom already spent.
    """
    if len(values) <= lost:
        return 0.0
    off = values - np.median(values)
    reach = 3 * 1.4826 * float(np.median(np.abs(off)))
    clipped = np.clip(off, -reach, reach)
    return float(np.sqrt(np.sum(clipped**2) / (len(values) - lost)))


def running_median(values: Array, width: int) -> Array:
    """Median of each value and up to ``width - 1`` before it."""
    if len(values) <= width:
        return np.array([np.median(values[: i + 1]) for i in range(len(values))])
    whole = np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=1)
    return np.concatenate([running_median(values[:width], width)[:-1], whole])


def fit_trend(epochs: Array, values: Array, noise: float, weight: float) -> Trend:
    """The Theil-Sen line.

    Args:
        epochs: ``[n]``, ascending, n >= 2.
        values: ``[n]``, finite.
        noise: standard deviation expected beforehand.
        weight: how many epochs of evidence that expectation is worth.
    """
    i, j = np.triu_indices(len(epochs), 1)
    slope = float(np.median((values[j] - values[i]) / (epochs[j] - epochs[i])))
    residuals = values - slope * epochs
    centre = float(np.median(residuals))
    spare = len(epochs) - 2
    seen = robust_scale(residuals, lost=2)
    variance = (weight * noise**2 + spare * seen**2) / (weight + spare)
    about = epochs - epochs.mean()
    effective = variance / EFFICIENCY
    error = np.sqrt(effective / np.sum(about**2))
    return Trend(
        first=int(epochs[0]),
        last=int(epochs[-1]),
        points=len(epochs),
        slope=slope,
        error=float(error),
        level=centre + slope * float(epochs[-1]),
        noise=float(np.sqrt(variance)),
    )
