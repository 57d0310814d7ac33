"""Pasts made by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from decamo.diagnosis import RunView, Symptom, Thresholds
from decamo.diagnosis.verdict import Detector
from decamo.history import LogSegment, Point, TrainingLog

T = Thresholds()


def past(
    ious: Sequence[float | None] = (),
    losses: Sequence[float | None] = (),
    lrs: Sequence[float | None] = (),
    first: int = 1,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    planned_end: int | None = None,
    **same: Any,
) -> TrainingLog:
    """Consecutive epochs; ``same`` holds in all of them; settings make it a run with a stretch."""
    count = max(len(ious), len(losses), len(lrs))
    points = [Point(epoch=first + i, **same) for i in range(count)]
    for name, values in (("iou", ious), ("loss", losses), ("lr", lrs)):
        for i, value in enumerate(values):
            changes: dict[str, Any] = {name: value}
            points[i] = replace(points[i], **changes)
    stretch = LogSegment(first, "start", settings=settings or {}, planned_end=planned_end)
    return TrainingLog(tuple(points), (stretch,) if settings is not None else ())


def seen(
    detector: Detector, what: TrainingLog, thresholds: Thresholds = T, **known: Any
) -> list[Symptom]:
    """What a detector says, with evidence checked for being there."""
    symptoms = list(detector(RunView(what, **known), thresholds))
    for symptom in symptoms:
        assert symptom.evidence
        assert symptom.sentence
        assert 0 <= symptom.strength <= 1
        assert symptom.epochs[0] <= symptom.epochs[1]
    return symptoms
