"""How fast the IoU rises now."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from decamo.diagnosis.case import RunView
from decamo.diagnosis.noise import Array, Trend, fit_trend
from decamo.diagnosis.smooth import EPOCHS, recent_gains
from decamo.diagnosis.thresholds import Thresholds

__all__ = ["WINDOWS", "pace_now", "paces"]

WINDOWS = (8, 12, 17, 24, 34, 48)
"""Lengths in epochs to look back over, beside a plateau's own; each about 1.4 times the last."""

# Under so many epochs with a score a bent curve cannot be told from a straight one.
BENDS = 8
# Fewer scores than thresholds.few tell a pace only if they lie this many epochs apart; the action
# plan's own notes compare epoch 86 with 95.
APART = 8


def pace_now(case: RunView, thresholds: Thresholds) -> Trend | None:
    """The present pace of the IoU over a plateau's window; None where too little is known."""
    return paces(*case.lengthened(thresholds.few), thresholds).get(thresholds.plateau_epochs)


def paces(epochs: Array, values: Array, thresholds: Thresholds) -> dict[int, Trend]:
    """The pace at the end of a series of scores, over each window; empty if too little is known."""
    windows = sorted({*WINDOWS, thresholds.plateau_epochs})
    prior = thresholds.noise, thresholds.noise_weight
    count = len(epochs)
    if count < 2 or (count < thresholds.few and np.ptp(epochs) < APART):
        return {}
    recent = int(np.sum(epochs >= epochs[-1] - EPOCHS))
    if recent < BENDS:
        kept = max(recent, 2)
        straight = fit_trend(epochs[-kept:], values[-kept:], *prior)
        return dict.fromkeys(windows, straight)
    return _bent(tuple(epochs), tuple(values), tuple(windows), *prior)


@lru_cache(maxsize=16)  # several detectors ask for the same
def _bent(
    epochs: Sequence[float],
    values: Sequence[float],
    windows: tuple[int, ...],
    noise: float,
    weight: float,
) -> dict[int, Trend]:
    return recent_gains(np.array(epochs), np.array(values), windows, noise, weight)
