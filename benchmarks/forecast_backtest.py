"""The forecast held against recorded runs: each cut short, its rest foretold and looked up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from decamo.diagnosis.case import series_of
from decamo.diagnosis.fan import LEVELS, WIDENING, fan_ahead
from decamo.diagnosis.growth import logit
from decamo.history import TrainingLog

__all__ = ["CUTS", "HORIZONS", "Bet", "Trial", "bets", "coverage", "trials", "widening_for"]

CUTS = (0.3, 0.5, 0.7)
"""Shares of a run's epochs after which its rest is foretold."""

HORIZONS = ((1, 5), (6, 10), (11, 20), (21, 1000))
"""First and last number of epochs ahead of each group of trials."""

GAINS = (0.005, 0.01, 0.02)  # IoU over the best so far; what a person may still hope for
STRETCHES = np.geomspace(0.25, 4.0, 161)


@dataclass(frozen=True)
class Trial:
    """One epoch foretold; logits where not said otherwise, and before any widening.

    Attributes:
        run: name of the recorded run.
        cut: the last epoch that was known.
        ahead: how many epochs later.
        truth: what was scored.
        low: 10 % quantile of the forecast.
        middle: its median.
        high: its 90 % quantile.
        error: absolute error of the median, in IoU.
        naive: absolute error of the last known score, in IoU.
    """

    run: str
    cut: int
    ahead: int
    truth: float
    low: float
    middle: float
    high: float
    error: float
    naive: float

    def inside(self, widening: float) -> bool:
        """Whether the truth lies in the 80 % interval, widened about its median."""
        low = self.middle - widening * (self.middle - self.low)
        return low <= self.truth <= self.middle + widening * (self.high - self.middle)


@dataclass(frozen=True)
class Bet:
    """One question about the best score at a run's end.

    Attributes:
        run: name of the recorded run.
        cut: the last epoch that was known.
        gain: IoU over the best so far that is asked for.
        chance: foretold probability.
        came: whether the run reached it.
    """

    run: str
    cut: int
    gain: float
    chance: float
    came: bool


def trials(run: str, past: TrainingLog, cuts: Sequence[float] = CUTS) -> tuple[Trial, ...]:
    """All epochs after each cut, foretold from those before; learning rates ahead are the run's."""
    found: list[Trial] = []
    for known, truth in _parts(past, cuts):
        fan = fan_ahead(known, len(truth), _rates(past), widening=1.0)
        last = series_of(known.points, "iou")[1][-1:]
        if fan is None:
            continue
        quantiles = logit(fan.quantiles())
        low, middle, high = quantiles[0], quantiles[LEVELS.index(0.5)], quantiles[-1]
        odds, half = logit(truth), np.median(fan.paths, axis=0)
        found += [
            Trial(
                run,
                known.points[-1].epoch,
                i + 1,
                float(odds[i]),
                float(low[i]),
                float(middle[i]),
                float(high[i]),
                float(abs(half[i] - truth[i])),
                float(abs(last[0] - truth[i])),
            )
            for i in np.flatnonzero(np.isfinite(truth))
        ]
    return tuple(found)


def bets(
    run: str, past: TrainingLog, cuts: Sequence[float] = CUTS, widening: float = WIDENING
) -> tuple[Bet, ...]:
    """At each cut: will the run, by its end, score a little more than its best so far?"""
    found = []
    for known, truth in _parts(past, cuts):
        fan = fan_ahead(known, len(truth), _rates(past), widening=widening)
        if fan is None or not np.isfinite(truth).any():
            continue
        best = series_of(known.points, "iou")[1].max()
        tops = fan.paths.max(axis=1)
        found += [
            Bet(
                run,
                known.points[-1].epoch,
                gain,
                float((tops >= best + gain).mean()),
                bool(np.nanmax(truth) >= best + gain),
            )
            for gain in GAINS
        ]
    return tuple(found)


def coverage(of: Iterable[Trial], widening: float | Mapping[str, float] = WIDENING) -> float:
    """Mean over runs of the share of trials within the 80 % interval; NaN without any.

    Args:
        of: the trials.
        widening: the same for all, or by run.
    """
    by_run: dict[str, list[bool]] = {}
    for trial in of:
        stretch = widening if isinstance(widening, float) else widening[trial.run]
        by_run.setdefault(trial.run, []).append(trial.inside(stretch))
    return float(np.mean([np.mean(hits) for hits in by_run.values()])) if by_run else np.nan


def widening_for(of: Sequence[Trial], wanted: float = 0.8) -> float:
    """The least widening with which the intervals hold the truth as often as they say."""
    for stretch in STRETCHES:
        if coverage(of, float(stretch)) >= wanted:
            return float(stretch)
    return float(STRETCHES[-1])


def _parts(past: TrainingLog, cuts: Sequence[float]) -> Iterable[tuple[TrainingLog, np.ndarray]]:
    """What is known at each cut, and the scores of all epochs after it, NaN where there is none."""
    last = past.points[-1].epoch if past.points else 0
    scores = {p.epoch: p.known("iou") for p in past.points}
    for cut in cuts:
        known = tuple(p for p in past.points if p.epoch <= round(cut * last))
        if not known or known[-1].epoch >= last:
            continue
        after = range(known[-1].epoch + 1, last + 1)
        truth = [np.nan if (iou := scores.get(epoch)) is None else iou for epoch in after]
        yield replace(past, points=known), np.array(truth)


def _rates(past: TrainingLog) -> dict[int, float]:
    return {p.epoch: lr for p in past.points if (lr := p.known("lr")) is not None}
