"""The fan of paths that a run's scores may take in the epochs to come."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from decamo.diagnosis.case import series_of
from decamo.diagnosis.growth import Growth, expit, fit_growth
from decamo.diagnosis.noise import Array, without_outliers
from decamo.diagnosis.rates import rates_of
from decamo.diagnosis.thresholds import Thresholds
from decamo.history import TrainingLog

__all__ = ["LEVELS", "WIDENING", "Fan", "branch_start", "fan_ahead"]

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles that a fan is told by; the outer two hold 80 %."""

WIDENING = 1.0
"""By how much a path's distance from the median is stretched, in logits. ``benchmarks forecast``
finds what the recorded curves ask for."""

PATHS = 2000  # a chance of 0.1 is then known to 0.007
POINTS = 80  # older epochs say little about the present, and cost time
TAKES_OFF = 0.5  # share of the best score under which the first epochs are a start of another kind


@dataclass(frozen=True)
class Fan:
    """Paths that the scores may take.

    Attributes:
        epochs: ``[n]``, those to come.
        paths: ``[count, n]``, IoU in (0, 1), noise included; each row is one future.
        families: probability of each family of models.
    """

    epochs: Array
    paths: Array
    families: Mapping[str, float]

    def quantiles(self) -> Array:
        """At ``LEVELS`` for each epoch: ``[5, n]``, ascending along the first axis."""
        return np.asarray(np.quantile(self.paths, LEVELS, axis=0))


def fan_ahead(
    past: TrainingLog,
    horizon: int,
    ahead: Mapping[int, float] | None = None,
    seed: int = 0,
    widening: float = WIDENING,
    thresholds: Thresholds | None = None,
) -> Fan | None:
    """The paths that the next ``horizon`` epochs may take.

    Args:
        past: the run.
        horizon: how many epochs, from the last one written down.
        ahead: learning rates of epochs to come, where the past's own plan does not tell them.
        seed: of the draws; the same past and seed give the same paths.
        widening: see ``WIDENING``.
        thresholds: what is expected of the noise, and how few epochs are too few.

    Returns:
        None where too few epochs have a score.
    """
    thresholds = thresholds or Thresholds()
    epochs, scores = _usable(past, thresholds.healthy_epochs)
    if len(scores) < thresholds.few or horizon < 1:
        return None
    first = past.points[-1].epoch + 1
    future = np.arange(first, first + horizon, dtype=np.float64)
    every = np.concatenate([epochs, future])
    rates = rates_of(past, [int(e) for e in every], ahead)
    growth = fit_growth(every, scores, rates, thresholds.noise, thresholds.noise_weight)
    return Fan(future, _widened(growth, seed, widening), growth.family_weights())


def branch_start(past: TrainingLog) -> int:
    """First epoch of the last branch; 1 where the run has none."""
    branches = [s.first_epoch for s in past.stretches if s.word == "branch"]
    return branches[-1] if branches else 1


def _usable(past: TrainingLog, enough: int) -> tuple[Array, Array]:
    """The scores to learn from: the last ones after take-off, without those of short dips.

    A branch begins a growth of its own, which is known when it has ``enough`` of them.
    """
    epochs, scores = series_of(past.points, "iou")
    own = epochs >= branch_start(past)
    if own.sum() >= enough:
        epochs, scores = epochs[own], scores[own]
    epochs, scores = epochs[-POINTS:], scores[-POINTS:]
    if len(scores):
        off = int(np.argmax(scores >= TAKES_OFF * scores.max()))
        epochs, scores = without_outliers(epochs[off:], scores[off:])
    return epochs, scores


def _widened(growth: Growth, seed: int, widening: float) -> Array:
    odds = growth.draw(PATHS, np.random.default_rng(seed))
    middle = np.median(odds, axis=0)
    return expit(middle + widening * (odds - middle))
