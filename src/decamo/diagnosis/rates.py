"""Learning rates of a past and of what lies ahead, and how fast a run learned under them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from decamo.diagnosis.case import RunView, series_of
from decamo.diagnosis.noise import EPOCHS, Array, Trend, fit_trend, recent_gains
from decamo.diagnosis.thresholds import Thresholds
from decamo.errors import DecamoError
from decamo.history import LogSegment, Point, TrainingLog
from decamo.schedule import Plan, Segment, SegmentKind, plan_of
from decamo.settings import ScheduleSettings, shown

__all__ = [
    "SINCE_FALL",
    "WINDOWS",
    "Learned",
    "learned_before",
    "learned_rate",
    "pace_now",
    "paces",
    "plan_ahead",
    "rates_of",
    "rounded",
    "scores_now",
    "told",
]


def rounded(rate: float) -> float:
    """Two significant digits."""
    return float(f"{rate:.2g}")


def told(rate: float) -> str:
    """Two significant digits without an exponent: ``0.000013``."""
    return shown(rounded(rate))


GOES_ON = ("continue", "extend", "rollback")  # words that keep the origin of the curves


def plan_ahead(past: TrainingLog) -> Plan | None:
    """The plan in force; None where it is unknown.

    Where no lineage was written down it is laid anew from the flags of the last stretch, for one
    device: rates at epochs do not depend on devices but for the rounding of a curve's steps.
    """
    now = past.stretches[-1] if past.stretches else None
    if now is None or (now.lineage is None and "schedule" not in now.settings):
        return None
    try:
        plan = now.lineage.plan if now.lineage is not None else _laid_anew(past, now)
    except (DecamoError, TypeError, ValueError, ArithmeticError):
        return None  # of another version, damaged, or at its end
    return plan if all(stage.curve.known for stage in plan.stages) else None


def _laid_anew(past: TrainingLog, now: LogSegment) -> Plan:
    schedule = ScheduleSettings(**now.settings["schedule"])
    origin = _origin(past.stretches)
    images = now.train_images or schedule.fine_tune_batch * schedule.accumulation_steps
    return plan_of(Segment(SegmentKind.START, origin, 0, origin, 0, schedule, max(images, 1)))


def rates_of(
    past: TrainingLog, epochs: Sequence[int], ahead: Mapping[int, float] | None = None
) -> Array | None:
    """The head group's learning rate at the first step of each of ``epochs``.

    What was written down comes first, then ``ahead``, then the plan, which holds its last value
    beyond its end. Gaps within what was written down are filled linearly.

    Args:
        past: the run.
        epochs: ascending numbers of epochs, past ones and future ones.
        ahead: rates of epochs to come, by epoch, where they are known beforehand; beyond them the
            last one holds.

    Returns:
        ``[len(epochs)]``, finite and >= 0; None where the rates ahead are not known.
    """
    written = {p.epoch: lr for p in past.points if (lr := _rate(p)) is not None}
    plan = None if ahead else plan_ahead(past)
    last = max(written, default=0)
    if len(written) < 2 or (not ahead and plan is None and max(epochs) > last):
        return None
    rates = dict(written)
    for epoch in epochs:
        if epoch in rates or epoch < last:
            continue
        if plan is not None:
            rates[epoch] = plan.lr(min(plan.epoch_start(epoch), plan.end_step - 1))
        elif ahead:
            rates[epoch] = ahead.get(epoch, rates[max(rates)])
    known = sorted(rates)
    return np.interp(np.array(epochs, float), known, [rates[e] for e in known])


def _origin(stretches: Sequence[LogSegment]) -> int:
    """Epochs completed where the curves in force count from."""
    laid = [s for s in stretches if s.word not in GOES_ON] or list(stretches[:1])
    return 0 if laid[-1].word in ("start", "") else laid[-1].first_epoch - 1


def _rate(point: Point) -> float | None:
    lr = point.known("lr")
    return lr if lr is not None and 0 <= lr <= 10 else None  # as --lr is bounded


WINDOWS = (8, 12, 17, 24, 34, 48)
"""Lengths in epochs to look back over, beside a plateau's own; each about 1.4 times the last."""

# Under so many epochs with a score a bent curve cannot be told from a straight one.
BENDS = 8
# Fewer scores than thresholds.few tell a pace only if they lie this many epochs apart; the action
# plan's own notes compare epoch 86 with 95.
APART = 8


def pace_now(case: RunView, thresholds: Thresholds) -> Trend | None:
    """The present pace of the IoU over a plateau's window; None where too little is known."""
    return paces(*scores_now(case, thresholds)[:2], thresholds).get(thresholds.plateau_epochs)


# So many epochs after a learning rate fell off at one stroke, these alone tell the pace.
SINCE_FALL = 12


def scores_now(case: RunView, thresholds: Thresholds) -> tuple[Array, Array, bool]:
    """The scores that tell the present pace: ``case.lengthened``, or those since the rate fell off.

    A rate that falls to a tenth or less from one epoch to the next ends the pace before, lifts the
    score once and takes its noise away: a window across it would show the lift as a pace.

    Returns:
        epochs, scores, and whether they are those since such a fall.
    """
    epochs, scores = case.lengthened(thresholds.few)
    at, rates = case.series("lr")
    if len(rates) > 1 and 0 < rates[-1] <= thresholds.lr_exhausted * rates.max():
        least = thresholds.lr_exhausted * (1 + thresholds.lr_constant)
        fell = at[1:][rates[1:] <= least * rates[:-1]]
        since = epochs >= fell[-1] if len(fell) else np.zeros(len(epochs), bool)
        if since.sum() >= SINCE_FALL:
            return epochs[since], scores[since], True
    return epochs, scores, False


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


@dataclass(frozen=True)
class Learned:
    """A pace that the run had at far higher rates than the present schedule's.

    Attributes:
        pace: of the IoU over the last epochs at such rates, as many as a plateau's window.
        rate: the highest at which the run rose.
        top: the present schedule's highest.
    """

    pace: Trend
    rate: float
    top: float

    @property
    def share(self) -> float:
        """The present schedule's highest rate as a share of the one at which the run rose."""
        return self.top / self.rate


def learned_rate(case: RunView, thresholds: Thresholds) -> float | None:
    """Highest rate at which the run rose under an earlier schedule, its backbone open.

    It is that of an epoch with a new best IoU. None where these gained less than what is called
    moving, or where that is unknown.
    """
    scored = [(iou, p.known("lr")) for p in _earlier(case) if (iou := p.known("iou")) is not None]
    if not scored:
        return None
    best, rates = scored[0][0], [0.0]
    for iou, rate in scored[1:]:
        if iou > best:
            best = iou
            rates.append(rate or 0.0)
    highest = max(rates)
    moved = best - scored[0][0] >= thresholds.moving_gain
    return highest if moved and 0 < highest < 10 else None


def learned_before(case: RunView, thresholds: Thresholds) -> Learned | None:
    """None where the present rates are not far lower, or where too little is known.

    The last epochs at the higher rates are looked at, not the first: every run slows down, and one
    that had come to its end there is not held back by what came after.
    """
    rate, tops = learned_rate(case, thresholds), case.series("lr")[1]
    if rate is None or not len(tops):
        return None
    top = float(tops.max())
    if not 0 < top <= thresholds.lr_exhausted * rate:
        return None
    sizes = {p.img_size for p in case.present}
    high = [
        p
        for p in _earlier(case)
        if (p.known("lr") or 0.0) * thresholds.lr_exhausted >= top and p.img_size in sizes
    ]
    epochs, ious = series_of(high, "iou")
    last = slice(-thresholds.plateau_epochs, None)
    if len(epochs) < thresholds.few:
        return None
    pace = fit_trend(epochs[last], ious[last], thresholds.noise, thresholds.noise_weight)
    return Learned(pace, rate, top)


def _earlier(case: RunView) -> list[Point]:
    """Epochs before the present schedule and stage in which the backbone was open."""
    return [p for p in case.past.points if p.epoch < case.span[0] and (p.stage or 1) != 1]
