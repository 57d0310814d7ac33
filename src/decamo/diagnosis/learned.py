"""How the run once learned, under schedules before the present one, and at which rates."""

from dataclasses import dataclass

from decamo.diagnosis.case import RunView, series_of
from decamo.diagnosis.noise import Trend, fit_trend
from decamo.diagnosis.thresholds import Thresholds
from decamo.history import Point

__all__ = ["Learned", "learned_before", "learned_rate"]


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
