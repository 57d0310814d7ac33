"""What the validation scores show: how much they can resolve, short dips, overfitting."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decamo.diagnosis.case import Measure, RunView
from decamo.diagnosis.noise import Array, Trend, fit_trend, robust_scale, running_median
from decamo.diagnosis.rates import pace_now, paces
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = [
    "Dip",
    "find_dips",
    "one_sided_validation",
    "overfit",
    "saturated",
    "temporary_dip",
    "thin_validation",
]

# One epoch may be odd.
LOOKED_AT = 3


def thin_validation(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """The standard error of the mean IoU against the gain that a plateau is judged by.

    All epochs see the same images, so that a change from epoch to epoch is surer than this; how
    the score carries over to other images is not.
    """
    last = next((p for p in reversed(case.present) if p.known("iou_sd") and p.val_images), None)
    if last is None or last.iou_sd is None or not last.val_images or not 0 < last.iou_sd <= 1:
        return
    error = last.iou_sd / last.val_images**0.5
    if error <= thresholds.plateau_gain:
        return
    seen = last.epoch, last.epoch
    enough = int(np.ceil((last.iou_sd / thresholds.plateau_gain) ** 2))
    yield Symptom(
        SymptomKind.THIN_VALIDATION,
        "notice" if error > 2 * thresholds.plateau_gain else "info",
        seen,
        f"{last.val_images} validation images know the mean IoU to within {error:.4f} (standard"
        f" error), more than the {thresholds.plateau_gain:.4f} that is judged; about {enough} would"
        " do",
        (
            Evidence("standard error of the mean IoU", error, thresholds.plateau_gain, seen),
            Evidence("standard deviation of the images' IoU", last.iou_sd, None, seen),
            Evidence("validation images", last.val_images, enough, seen),
        ),
        1.0,
    )


def one_sided_validation(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """Predicted area against true area."""
    ratios = [
        (p.epoch, p.predicted_share / p.object_share)
        for p in case.present
        if p.known("predicted_share") is not None
        and p.predicted_share is not None
        and p.object_share is not None
        and (p.known("object_share") or 0) > 0
    ][-LOOKED_AT:]
    if not ratios:
        return
    ratio = float(np.median([r for _, r in ratios]))
    if 1 / thresholds.one_sided <= ratio <= thresholds.one_sided:
        return
    seen = ratios[0][0], ratios[-1][0]
    sides = "far too much" if ratio > 1 else "far too little"
    yield Symptom(
        SymptomKind.ONE_SIDED_VALIDATION,
        "notice",
        seen,
        f"{sides} is predicted as object: {ratio:.2f} times the true area",
        (
            Evidence(
                "predicted area as a multiple of the true one",
                ratio,
                thresholds.one_sided if ratio > 1 else 1 / thresholds.one_sided,
                seen,
            ),
        ),
        1.0,
    )


def saturated(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """Mistakes made with near certainty leave gradients little to hold on to."""
    epochs, shares = case.series("sure_wrong")
    if not len(shares):
        return
    share = float(np.median(shares[-LOOKED_AT:]))
    if share <= thresholds.sure_wrong:
        return
    seen = int(epochs[-LOOKED_AT:][0]), int(epochs[-1])
    yield Symptom(
        SymptomKind.SATURATED,
        "notice",
        seen,
        f"saturated: {share:.0%} of the wrong pixels are predicted with near certainty",
        (Evidence("share of sure mistakes", share, thresholds.sure_wrong, seen),),
        0.7,
    )


# The level before a dip is the median of so many epochs; fewer than LEAST say too little.
SETTLED, LEAST = 5, 3
# With a rise of the loss as a second witness a dip may be this share as deep.
WITNESSED = 0.6


@dataclass(frozen=True)
class Dip:
    """A short fall.

    Attributes:
        first: first epoch under the level.
        last: last one.
        level: the median before.
        bottom: the lowest score.
        over: whether the score came back, or this is the end of what is known.
    """

    first: int
    last: int
    level: float
    bottom: float
    over: bool


def find_dips(epochs: Array, scores: Array, depths: Array, longest: int) -> list[Dip]:
    """Runs of at most ``longest`` epochs that lie ``depths`` under the level before them.

    Args:
        epochs: ``[n]``.
        scores: ``[n]``.
        depths: ``[n]``, how far under the level counts at each epoch.
        longest: epochs.
    """
    dips: list[Dip] = []
    levels = running_median(scores, SETTLED) if len(scores) else scores
    i = LEAST
    while i < len(scores):
        level = float(levels[i - 1])
        if scores[i] >= level - depths[i]:
            i += 1
            continue
        end = i
        while end < len(scores) and scores[end] < level - depths[i] / 2:
            end += 1
        if end - i <= longest:
            bottom = float(scores[i:end].min())
            over = end < len(scores)
            dips.append(Dip(int(epochs[i]), int(epochs[end - 1]), level, bottom, over))
        i = end
    return dips


def temporary_dip(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """The last dip, if it is over since a few epochs or still short."""
    epochs, scores = case.series("iou")
    trend = pace_now(case, thresholds)
    if trend is None:
        return
    depth = max(thresholds.dip_depth, thresholds.dip_noise * trend.noise)
    depths = np.where(_loss_rises(case, epochs), WITNESSED * depth, depth)
    dips = find_dips(epochs, scores, depths, thresholds.dip_epochs)
    if not dips or dips[-1].last < epochs[-1] - thresholds.dip_recent:
        return
    dip = dips[-1]
    m = case.measure
    fell = f"the {m.name} {m.fell} from {m.shown(dip.level)} to {m.shown(dip.bottom)}"
    when = f"epoch {dip.first}" if dip.first == dip.last else f"epochs {dip.first} to {dip.last}"
    sentence = (
        f"a temporary dip: {fell} in {when} and came back"
        if dip.over
        else f"a dip, so far temporary: {fell} in {when}; two or three such epochs are normal"
    )
    yield Symptom(
        SymptomKind.TEMPORARY_DIP,
        "info",
        (dip.first, dip.last),
        sentence,
        (
            Evidence(
                m.lost, m.amount(dip.level - dip.bottom), m.amount(depth), (dip.first, dip.last)
            ),
            Evidence(
                "epochs under the level",
                dip.last - dip.first + 1,
                thresholds.dip_epochs,
                (dip.first, dip.last),
            ),
        ),
        0.9 if dip.over else 0.6,
    )


def _loss_rises(case: RunView, epochs: Array) -> NDArray[np.bool_]:
    """Whether the loss of each epoch stands 4 of its own sigmas above the five before."""
    loss_epochs, losses = case.series("loss")
    if len(losses) < LEAST + 1:
        return np.zeros(len(epochs), dtype=bool)
    rises = losses[LEAST:] - running_median(losses, SETTLED)[LEAST - 1 : -1]
    scale = robust_scale(rises)
    high = loss_epochs[LEAST:][rises > 4 * scale]
    return np.isin(epochs, high)


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
