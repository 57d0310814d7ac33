"""Validation that gets worse while the training loss does not."""

from collections.abc import Iterator

import numpy as np

from decamo.diagnosis.case import RunView
from decamo.diagnosis.measure import Measure
from decamo.diagnosis.noise import Array, Trend, fit_trend, running_median
from decamo.diagnosis.rates import pace_now, paces
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = ["overfit"]

# The peak is that of a running median, so that one lucky epoch is none.
SMOOTH = 5
# A loss needs so many epochs for a trend.
SHORTEST = 8
# Several windows are looked at, and the peak is chosen with hindsight: that asks for more than the
# confidence of a single test.
SURE = 0.99
# The highest of some dozen running medians lies about so many noises above the true peak.
HINDSIGHT = 0.5


def overfit(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """The IoU falls, as far as a test can tell, or the validation loss rises; training goes on."""
    epochs, scores = case.series("iou")
    falling = _falling(case, epochs, scores, thresholds)
    if falling is not None:
        training = _over(*case.series("loss"), falling)
        if training is not None and training.bound(1 - thresholds.confidence) <= 0:
            yield _symptom(case.measure, falling, training, epochs, scores, thresholds)
            return
    yield from _by_loss(case, thresholds)


def _falling(case: RunView, epochs: Array, scores: Array, thresholds: Thresholds) -> Trend | None:
    """The clearest fall over any recent window that has cost enough IoU since the peak.

    It must be sure by itself, or likely with a rising validation loss as a second witness.
    """
    if len(epochs) < SHORTEST:
        return None
    peak = float(running_median(scores, SMOOTH)[SMOOTH - 1 :].max())
    validation = case.series("val_loss")
    found = []
    for trend in paces(epochs, scores, thresholds).values():
        lost = peak - HINDSIGHT * trend.noise - trend.level
        if lost < thresholds.fall or trend.bound(thresholds.confidence) >= 0:
            continue
        witness = _over(*validation, trend)
        if trend.bound(SURE) < 0 or (witness is not None and witness.bound(1 - SURE) > 0):
            found.append(trend)
    return min(found, key=lambda t: t.slope / t.error, default=None)


def _over(epochs: Array, values: Array, like: Trend) -> Trend | None:
    """The trend of a loss over the epochs of ``like``; its noise is its own."""
    inside = (epochs >= like.first) & (epochs <= like.last)
    if inside.sum() < SHORTEST:
        return None
    return fit_trend(epochs[inside], values[inside], 0.01 * float(np.median(values[inside])), 1.0)


def _symptom(
    m: Measure,
    falling: Trend,
    training: Trend,
    epochs: Array,
    scores: Array,
    thresholds: Thresholds,
) -> Symptom:
    smooth = running_median(scores, SMOOTH)
    smooth[: SMOOTH - 1] = -np.inf
    peak = int(epochs[smooth.argmax()])
    lost = float(smooth.max()) - falling.level
    seen = peak, falling.last
    top = "lowest point" if m.lower else "peak"
    going = "still falls" if training.bound(thresholds.confidence) < 0 else "does not rise"
    return Symptom(
        SymptomKind.OVERFIT,
        "warning",
        seen,
        f"overfitting: the {m.name} has {'risen' if m.lower else 'fallen'} by"
        f" {m.amount(lost):.{m.digits}f} since its {top} of {m.shown(float(smooth.max()))} about"
        f" epoch {peak}, while the training loss {going}",
        (
            Evidence(
                f"{m.name} lost since the {top}", m.amount(lost), m.amount(thresholds.fall), seen
            ),
            Evidence(f"{m.name} an epoch", _signed(m, falling.slope), 0.0, falling.epochs),
            Evidence("training loss an epoch", training.slope, 0.0, training.epochs),
        ),
        falling.chance_under(0.0),
    )


def _signed(m: Measure, slope: float) -> float:
    return -m.amount(slope) if m.lower else slope


def _by_loss(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """Validation loss up, training loss down, and the IoU no longer healthy: a notice."""
    epochs, losses = case.series("val_loss")
    scores = pace_now(case, thresholds)
    if len(losses) < thresholds.plateau_epochs or scores is None:
        return
    rising = _over(epochs, losses, scores)
    training = _over(*case.series("loss"), scores)
    if rising is None or training is None or scores.slope >= thresholds.healthy_pace:
        return
    if rising.bound(1 - SURE) <= 0 or training.bound(SURE) >= 0:
        return
    yield Symptom(
        SymptomKind.OVERFIT,
        "notice",
        rising.epochs,
        "the validation loss rises while the training loss falls, though the"
        f" {case.measure.name} has not {'risen' if case.measure.lower else 'fallen'} yet: the"
        " network grows surer of its mistakes",
        (
            Evidence("validation loss an epoch", rising.slope, 0.0, rising.epochs),
            Evidence("training loss an epoch", training.slope, 0.0, training.epochs),
        ),
        0.5,
    )
