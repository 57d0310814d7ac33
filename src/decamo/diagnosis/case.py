"""A run's past with what is known around it: by what it is judged, its target, its schedule."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from decamo.diagnosis.noise import Array, running_median
from decamo.diagnosis.thresholds import Thresholds
from decamo.history import LogSegment, Point, TrainingLog

__all__ = [
    "ABSURD",
    "IOU",
    "Measure",
    "RunView",
    "measure_of",
    "open_case",
    "series_of",
]

# The action plan's situation, IoU 0.6221: its 0.01 of a plateau is 2.6 % of what is missing there.
# An error is held against the same shares of itself.
_MISSING = 1 - 0.6221
_LEAST = 1e-9  # an error under it has no level that a share could be taken of
_SETTLED = 5  # epochs; the level of an error is the lowest running median of so many


@dataclass(frozen=True)
class Measure:
    """A validation score, or an error, as detectors see it: on the scale of an IoU.

    Attributes:
        name: for people.
        field: of a :class:`~decamo.history.Point`.
        one: the name with its article.
        unit: how much of an error is 1 on that scale; 0 of a score, where higher is better.
        digits: behind the point.
    """

    name: str
    field: str
    one: str
    unit: float = 0.0
    digits: int = 4

    @property
    def lower(self) -> bool:
        """Whether lower is better."""
        return self.unit > 0

    @property
    def plain(self) -> bool:
        """Whether it is the IoU itself."""
        return self.field == "iou"

    @property
    def only(self) -> str:
        """What the verdict adds where there is no IoU; empty where there is."""
        return "" if self.plain else f"; only the {self.name} was logged, no IoU"

    @property
    def fell(self) -> str:
        """What a score does that gets worse."""
        return "rose" if self.lower else "fell"

    @property
    def gained(self) -> str:
        """What an improvement is called."""
        return f"fall of the {self.name}" if self.lower else f"{self.name} gained"

    @property
    def lost(self) -> str:
        """What the opposite is called."""
        return f"{'rise' if self.lower else 'fall'} of the {self.name}"

    def amount(self, gain: float) -> float:
        """A gain on the scale of an IoU in the measure's own numbers; above 0 is better."""
        return gain * self.unit if self.lower else gain

    def value(self, score: float) -> float:
        """A value on the scale of an IoU as it was logged."""
        return (1 - score) * self.unit if self.lower else score

    def at(self, score: float) -> str:
        """That value in words: ``IoU 0.6221``."""
        return f"{self.name} {self.shown(score)}"

    def shown(self, score: float) -> str:
        """That value with its digits."""
        return f"{self.value(score):.{self.digits}f}"

    def change(self, gain: float) -> str:
        """A gain as the change of what was logged; below 0 is better for an error."""
        change = round(-self.amount(gain) if self.lower else gain, self.digits) + 0.0
        return f"{change:+.{self.digits}f}"

    def scored(self, past: TrainingLog) -> TrainingLog:
        """The past with this measure in place of the IoU, on its scale."""
        if self.plain or self.field == "loss":
            return past
        points = tuple(replace(p, iou=self._score(p)) for p in past.points)
        return replace(past, points=points)

    def _score(self, point: Point) -> float | None:
        value = getattr(point, self.field)
        return value if value is None or not self.lower else 1 - value / self.unit


IOU = Measure("IoU", "iou", "an IoU")
_SCORES = (IOU, Measure("Dice", "dice", "a Dice score"))
_ERRORS = (
    Measure("MAE", "mae", "an MAE", digits=5),
    Measure("validation loss", "val_loss", "a validation loss"),
    Measure("training loss", "loss", "a training loss"),
)


def measure_of(past: TrainingLog) -> Measure:
    """The best measure that a past has: IoU, Dice, MAE, validation loss, training loss."""
    for score in _SCORES:
        if any(p.known(score.field) is not None for p in past.points):
            return score
    for error in _ERRORS:
        known = [v for p in past.points if (v := p.known(error.field)) is not None]
        if known:
            level = float(running_median(np.array(known), _SETTLED)[-len(known) :].min())
            if level > _LEAST:
                return replace(error, unit=level / _MISSING)
    return IOU


ABSURD = 1e12
"""What is beyond it is cut to it; squares of it are still finite."""

LONGEST = 64
"""Epochs of the action plan's longest option, 86 to 150."""

ALIKE, BELOW, ABOVE = 0.005, 0.1, 0.18
"""IoU: how far a line may be from the situation to be it, and to come of it. The plan hopes for
0.80 at most; what lies 0.1 under its start is more likely another run than this one."""


@dataclass(frozen=True)
class RunView:
    """What detectors look at.

    Attributes:
        past: the run.
        baseline: the weights that the present schedule set out from, with their IoU; None where
            unknown, or where the run trains under its first schedule.
        baseline_source: where the baseline comes from, for people; empty without one.
        target: the IoU to reach, or None.
        measure: what stands in the past's IoU.
    """

    past: TrainingLog
    baseline: Point | None = None
    baseline_source: str = ""
    target: float | None = None
    measure: Measure = IOU

    @cached_property
    def present(self) -> tuple[Point, ...]:
        """The epochs of the present schedule and stage."""
        points = self.past.points
        first = self.baseline.epoch + 1 if self.baseline else _schedule_start(self.past)
        if points and points[-1].stage is not None:
            for point in reversed(points):
                if point.stage != points[-1].stage:
                    first = max(first, point.epoch + 1)
                    break
        return tuple(p for p in points if p.epoch >= first)

    @property
    def span(self) -> tuple[int, int]:
        """First and last epoch of the present; (0, 0) of an empty past."""
        points = self.present or self.past.points
        return (points[0].epoch, points[-1].epoch) if points else (0, 0)

    @property
    def stretch(self) -> LogSegment | None:
        """The stretch in force, where one is known."""
        return self.past.stretches[-1] if self.past.stretches else None

    def setting(self, section: str, name: str) -> Any:
        """A flag in force, or None where it is not known."""
        settings = self.stretch.settings if self.stretch else {}
        return settings.get(section, {}).get(name)

    def series(self, name: str) -> tuple[Array, Array]:
        """Epochs and values of an attribute, over the present, where it is finite."""
        return series_of(self.present, name)

    def whole(self, name: str) -> tuple[Array, Array]:
        """As ``series``, over all that is known: earlier schedules, the baseline in front."""
        points = self.past.points
        if self.baseline and (not points or self.baseline.epoch < points[0].epoch):
            points = (self.baseline, *points)
        return series_of(points, name)

    def lengthened(self, few: int) -> tuple[Array, Array]:
        """As ``series("iou")``, the baseline in front where there are fewer than ``few``."""
        epochs, values = self.series("iou")
        known = self.baseline.known("iou") if self.baseline else None
        if self.baseline is None or known is None or len(epochs) >= few:
            return epochs, values
        return np.append(float(self.baseline.epoch), epochs), np.append(known, values)


def series_of(points: Iterable[Point], name: str) -> tuple[Array, Array]:
    """Epochs and values of an attribute where it is finite; what is absurd is cut to 1e12."""
    pairs = [(p.epoch, value) for p in points if (value := p.known(name)) is not None]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], np.clip(table[:, 1], -ABSURD, ABSURD)


def open_case(
    past: TrainingLog,
    thresholds: Thresholds,
    target: float | None,
    baseline: Point | None,
    situation: Point | None,
) -> RunView:
    """Find out where the present schedule set out from.

    In this order: what the caller says; the last epoch before a branch; for a log of a few lines
    without any context, the ``situation`` if a line shows it or if all lines come after it.
    """
    if baseline is not None:
        return RunView(past, baseline, "as given", target)
    start = _schedule_start(past)
    if past.stretches and start > past.stretches[0].first_epoch:
        before = [p for p in past.points if p.epoch < start and p.known("iou") is not None]
        if before:
            return RunView(past, before[-1], "the last epoch before the branch", target)
    scored = [p for p in past.points if p.known("iou") is not None]
    told = any(s.word or s.reason or s.settings for s in past.stretches)
    if situation is None or told or not 0 < len(scored) < thresholds.few:
        return RunView(past, target=target)
    first = scored[0]
    off = (first.known("iou") or 0) - (situation.known("iou") or 0)
    if first.epoch == situation.epoch and len(scored) > 1 and abs(off) < ALIKE:
        return RunView(past, first, "the action plan's starting point, in the log", target)
    later = situation.epoch < past.points[0].epoch
    if later and scored[-1].epoch <= situation.epoch + LONGEST and -BELOW < off < ABOVE:
        source = "assumed: the action plan's own start, as the log does not tell another"
        return RunView(past, situation, source, target)
    return RunView(past, target=target)


def _schedule_start(past: TrainingLog) -> int:
    """First epoch of the last branch; of the first stretch where there is none; else 1."""
    branches = [s.first_epoch for s in past.stretches if s.word == "branch"]
    if branches:
        return branches[-1]
    return past.stretches[0].first_epoch if past.stretches else 1
