"""The forms that a score's growth may have, and that of the drift and noise about it.

The forms over time are those of the literature on learning curves (Domhan et al. 2015, IJCAI;
Viering & Loog 2023, IEEE TPAMI 45:7799): flat, saturating exponential, power law with an asymptote,
logarithm. A step moves the weights by no more than its learning rate, so the exponential is taken
over the rate spent as well; and two forms take the annealing itself for a second cause (Tissue et
al. 2024, arXiv:2408.11029). A last one grows up to now and no further: that is what many a run does
and what its own past cannot rule out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from decamo.diagnosis.noise import Array

__all__ = ["GrowthForm", "Spread", "expit", "forms", "logit", "spreads"]

EDGE = 0.005  # scores are kept this far from 0 and 1, where the logit has no value

BENDS = (0.1, 0.2, 0.4, 0.8, 2.0)  # time constants of exponentials, in spans of the known epochs
POWERS = tuple(product((0.5, 1.0), (0.03, 0.1, 0.4)))  # exponents, and offsets in the same spans
LOGS = (0.02, 0.1, 0.5)
ENDS = (1.0, 1.2, 1.5)  # when growth halts, in the same spans
CORRELATIONS = (0.0, 0.3, 0.6)
DRIFTS = (0.0, 0.01, 0.04, 0.16)  # variance of a random walk's step, in variances of the noise
# About a minimum, the variance of weights under SGD is proportional to the learning rate (Mandt et
# al. 2017, JMLR 18:134). On the first eight curves such noise gives better chances than equal noise
# (Brier scores of a gain of 0.01: 0.19 and 0.24). Under this share of the peak it falls no further.
LEAST_RATE = 0.02
MOVES = 0.1  # a rate that moves by less, as a share of its peak, is no annealing

# Standard deviations beforehand, in logits (0.1 is 0.025 of IoU at 0.5): the gain over what is
# known may well be the whole score; what annealing adds is mostly under 0.05 of IoU.
GAIN, ANNEAL = 0.5, 0.1


@dataclass(frozen=True)
class GrowthForm:
    """One form with its bend.

    Attributes:
        family: ``flat``, ``exponential``, ``power``, ``log``, ``halted``, ``spent``, ``annealed``.
        columns: ``[n, k]``, k in 0 to 2: the form at each epoch, past and future; one of time or of
            rate spent is 0 at the first epoch and 1 at the last known one.
        scales: ``[k]``, standard deviation of each column's weight beforehand.
    """

    family: str
    columns: Array
    scales: tuple[float, ...] = ()


@dataclass(frozen=True)
class Spread:
    """What lies about a form: a random walk, and noise whose neighbours correlate.

    Attributes:
        correlation: of the noise of two epochs in a row, in [0, 1).
        drift: variance of the walk's step in an epoch, in variances of the noise.
        size: ``[n]``, standard deviation of the noise at each epoch, past and future, as a share of
            that at the peak rate: the root of the rate, or 1 where rates are unknown or constant.
    """

    correlation: float
    drift: float
    size: Array


def logit(share: Array) -> Array:
    """Log odds of scores in [0, 1], which are kept 0.005 away from both ends."""
    kept = np.clip(share, EDGE, 1 - EDGE)
    return np.log(kept / (1 - kept))


def expit(odds: Array) -> Array:
    """The inverse: scores in [0, 1]."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -50, 50))))


def forms(epochs: Array, known: int, rates: Array | None) -> Iterator[GrowthForm]:
    """Every form at all epochs.

    Args:
        epochs: ``[n]``, ascending; the first ``known`` of them have a score.
        known: 2 or more.
        rates: ``[n]``, learning rates >= 0; None where those ahead are unknown.
    """
    time = (epochs - epochs[0]) / (epochs[known - 1] - epochs[0])
    yield GrowthForm("flat", np.empty((len(time), 0)))
    for power, offset in POWERS:
        yield _form("power", 1 - (1 + time / offset) ** -power, known)
    for bend in BENDS:
        yield _form("exponential", -np.expm1(-time / bend), known)
        for end in ENDS:
            yield _form("halted", -np.expm1(-np.minimum(time, end) / bend), known)
    for offset in LOGS:
        yield _form("log", np.log1p(time / offset), known)
        for end in ENDS:
            yield _form("halted", np.log1p(np.minimum(time, end) / offset), known)
    if rates is None:
        return
    spent = np.cumsum(rates) - rates[0]
    if spent[known - 1] > 0:
        for bend in BENDS:
            yield _form("spent", -np.expm1(-spent / spent[known - 1] / bend), known)
    if np.ptp(rates) > MOVES * rates.max():
        annealed = 1 - rates / rates.max()
        for bend in BENDS:
            yield _form("annealed", -np.expm1(-time / bend), known, annealed)
        for offset in LOGS:
            yield _form("annealed", np.log1p(time / offset), known, annealed)


def spreads(rates: Array | None, count: int) -> Iterator[Spread]:
    """Every spread about a form at ``count`` epochs, whose ``rates`` may be unknown."""
    size = np.ones(count)
    if rates is not None and np.ptp(rates) > MOVES * rates.max():
        size = np.sqrt(np.maximum(rates / rates.max(), LEAST_RATE))
    for correlation, drift in product(CORRELATIONS, DRIFTS):
        yield Spread(correlation, drift, size)


def _form(family: str, way: Array, known: int, second: Array | None = None) -> GrowthForm:
    first = way / max(float(way[known - 1]), 1e-12)
    if second is None:
        return GrowthForm(family, first[:, None], (GAIN,))
    return GrowthForm(family, np.stack([first, second], axis=1), (GAIN, ANNEAL))
