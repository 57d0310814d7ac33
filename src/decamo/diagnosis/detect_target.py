"""How far it is to the target."""

from collections.abc import Iterator

from decamo.diagnosis.case import RunView, series_of
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = ["near_target", "target_reached"]


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
