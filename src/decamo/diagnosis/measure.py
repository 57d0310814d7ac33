"""What a run is judged by: its IoU, or what else was logged where there is none."""

from dataclasses import dataclass, replace

import numpy as np

from decamo.diagnosis.noise import running_median
from decamo.history import Past, Point

__all__ = ["IOU", "Measure", "measure_of"]

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

    def scored(self, past: Past) -> Past:
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


def measure_of(past: Past) -> Measure:
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
