"""Where the run stands beside its target and its schedule."""

from collections.abc import Iterator

from decamo.diagnosis.case import RunView, series_of
from decamo.diagnosis.detect_pace import pace_stands_still
from decamo.diagnosis.rates import pace_now
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = [
    "behind_schedule",
    "near_target",
    "still_stuck",
    "target_reached",
]


def target_reached(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """Any epoch of the run that scored the target: its checkpoint is there to be used."""
    epochs, scores = series_of(case.past.points, "iou")
    if case.target is None or not len(scores) or scores.max() < case.target:
        return
    best = int(epochs[scores.argmax()])
    yield Symptom(
        SymptomKind.TARGET_REACHED,
        "good",
        (best, best),
        f"target reached: IoU {scores.max():.4f} at epoch {best}, target {case.target:.4f}",
        (Evidence("best IoU", float(scores.max()), case.target, (best, best)),),
        1.0,
    )


def near_target(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """The last epoch is "almost there"."""
    epochs, scores = case.series("iou")
    if case.target is None or not len(scores):
        return
    left = case.target - float(scores[-1])
    if not 0 < left <= thresholds.near:
        return
    last = int(epochs[-1])
    yield Symptom(
        SymptomKind.NEAR_TARGET,
        "good",
        (last, last),
        f"near the target: IoU {scores[-1]:.4f} at epoch {last}, {left:.4f} under"
        f" {case.target:.4f}",
        (Evidence("IoU left to the target", left, thresholds.near, (last, last)),),
        1 - left / thresholds.near / 2,
    )


# A schedule that set out at less than this share of the rate before it, on images of the same size,
# was not begun to leave a level. Our choice.
_TURNED_DOWN = 0.5


def still_stuck(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """After 20 epochs no more than a plateau's gain; after 10, "flat or worse"."""
    start = case.baseline.known("iou") if case.baseline else None
    trend = pace_now(case, thresholds)
    if case.baseline is None or start is None or trend is None or _turned_down(case):
        return
    lived = trend.last - case.baseline.epoch
    late = lived >= thresholds.stuck_epochs
    if lived < thresholds.healthy_epochs or not pace_stands_still(trend, thresholds):
        return
    gain = trend.level - start
    most = thresholds.plateau_pace * thresholds.stuck_epochs if late else thresholds.flat_gain
    if gain > most:
        return
    epochs = case.baseline.epoch, trend.last
    yield Symptom(
        SymptomKind.STILL_STUCK,
        "warning",
        epochs,
        f"still stuck: {lived} epochs after IoU {start:.4f} at epoch {case.baseline.epoch} the run"
        f" stands at {trend.level:.4f} ({gain:+.4f})",
        (
            Evidence("IoU gained under the present schedule", gain, most, epochs),
            Evidence("IoU it set out from", start, None, (epochs[0], epochs[0])),
            Evidence("where that start is known from", case.baseline_source, None, epochs),
        ),
        trend.chance_under(thresholds.moving_pace),
    )


def _turned_down(case: RunView) -> bool:
    """Whether the present schedule only lowered the rate: its stand is a plateau."""
    before = case.baseline.known("lr") if case.baseline else None
    sizes = {p.img_size for p in (case.baseline, *case.present) if p is not None}
    rates = case.series("lr")[1]
    if before is None or not len(rates) or len(sizes) > 1:
        return False
    return float(rates.max()) < _TURNED_DOWN * before


def behind_schedule(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """After 30 epochs less than 0.4 of the way to the target."""
    start = case.baseline.known("iou") if case.baseline else None
    trend = pace_now(case, thresholds)
    if case.baseline is None or start is None or trend is None or case.target is None:
        return
    lived, way = trend.last - case.baseline.epoch, case.target - start
    if lived < thresholds.review_epochs or way <= 0:
        return
    share = (trend.level - start) / way
    if share >= thresholds.review_share:
        return
    epochs = case.baseline.epoch, trend.last
    yield Symptom(
        SymptomKind.BEHIND,
        "warning",
        epochs,
        f"behind: {max(share, 0):.0%} of the way from {start:.4f} to {case.target:.4f} after"
        f" {lived} epochs",
        (
            Evidence("share of the way to the target", share, thresholds.review_share, epochs),
            Evidence("where its start is known from", case.baseline_source, None, epochs),
        ),
        0.8,
    )
