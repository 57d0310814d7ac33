"""What happens in a run: records of steps and epochs, and the events that callbacks hear."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from decamo.schedule import Lineage, Position, Stage

__all__ = [
    "Baseline",
    "EpochDone",
    "EpochRecord",
    "Event",
    "EventListener",
    "GroupsOpened",
    "Interrupted",
    "MemoryRanOut",
    "ReadingTrouble",
    "RolledBack",
    "Saved",
    "Scored",
    "StageStarted",
    "StepDone",
    "StepRecord",
    "Validating",
]

_ROWS = ("usage", "routing_entropy", "routing_balance")  # lists of numbers in plain values


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step.

    Attributes:
        step: absolute number of the step, from 0.
        epoch: number of its epoch, from 1.
        loss: weighted total.
        parts: its named terms, already weighted.
        lr: learning rate of each group; 0 while frozen.
        grad_norm: norm of the gradient before clipping.
        skipped: whether the step was left out because its gradient was not finite.
    """

    step: int
    epoch: int
    loss: float
    parts: Mapping[str, float]
    lr: Mapping[str, float]
    grad_norm: float
    skipped: bool = False


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: its number, from 1.
        stage: number of its stage.
        step: absolute steps made by its end.
        loss: mean over the training images of the weighted total.
        parts: means of its named terms.
        iou: validation IoU, mean per image at native size and threshold 0.5.
        dice: validation Dice, likewise.
        mae: validation mean absolute error.
        lr: learning rate of each group at the epoch's first step.
        train_seconds: time spent in training steps.
        val_seconds: time spent in validation.
        img_size: training size in px.
        usage: running mean of each expert's gate, averaged over the pyramid levels.
        val_images: images validated on; 0 if unknown, as in records of earlier versions.
        iou_sd: standard deviation of the images' IoU.
        object_share: mean share of a validation image that is object.
        predicted_share: mean share of a validation image predicted as object.
        sure_wrong: share of the wrongly classified validation pixels whose probability is within
            0.01 of 0 or 1.
        skipped: optimizer steps left out because their gradient was not finite.
        gates: mean gate of each expert over the validation images, a row for each pyramid level;
            empty if unknown, as in records of earlier versions, like the next two.
        routing_entropy: of each level, the mean over the validation images of the entropy of an
            image's gates, as a share of the highest: 0 is one expert an image, 1 all alike.
        routing_balance: of each level, the entropy of the mean gates, likewise: 1 where all
            experts are used alike over the images, however few each image uses.
    """

    epoch: int
    stage: int
    step: int
    loss: float
    parts: Mapping[str, float]
    iou: float
    dice: float
    mae: float
    lr: Mapping[str, float]
    train_seconds: float
    val_seconds: float
    img_size: int
    usage: tuple[float, ...] = ()
    val_images: int = 0
    iou_sd: float = math.nan
    object_share: float = math.nan
    predicted_share: float = math.nan
    sure_wrong: float = math.nan
    skipped: int = 0
    gates: tuple[tuple[float, ...], ...] = ()
    routing_entropy: tuple[float, ...] = ()
    routing_balance: tuple[float, ...] = ()

    def line(self) -> str:
        """The epoch line; its form is a contract with whoever reads logs."""
        return (
            f"Epoch {self.epoch}: Loss: {self.loss:.4f} | IoU: {self.iou:.4f} |"
            f" Dice: {self.dice:.4f} | LR: {self.lr['head']:.6f}"
        )

    def to_plain(self) -> dict[str, Any]:
        """Plain values, for the journal and for checkpoints."""
        # not `asdict`, which copies each number: a checkpoint holds the records of all epochs
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        rows = {name: list(plain[name]) for name in _ROWS}
        gates = [list(row) for row in self.gates]
        return plain | {"parts": dict(self.parts), "lr": dict(self.lr)} | rows | {"gates": gates}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> "EpochRecord":
        """The inverse of :meth:`to_plain`; keys of later versions are passed over."""
        known = {f.name for f in fields(EpochRecord)}
        values = {k: v for k, v in plain.items() if k in known}
        rows = {name: tuple(values.get(name, ())) for name in _ROWS}
        gates = tuple(tuple(row) for row in values.get("gates", ()))
        return EpochRecord(**values | rows | {"gates": gates})


@dataclass(frozen=True)
class StageStarted:
    """A stage begins, or goes on after a resume."""

    stage: Stage
    epoch: int


@dataclass(frozen=True)
class GroupsOpened:
    """From this step on these groups learn (all that learn are named)."""

    step: int
    learning: frozenset[str]


@dataclass(frozen=True)
class StepDone:
    """An optimizer step was made: the epoch has ``done`` of its ``of`` steps behind it."""

    record: StepRecord
    done: int
    of: int


@dataclass(frozen=True)
class Validating:
    """Validation has come this far, in images."""

    done: int
    of: int


@dataclass(frozen=True)
class Scored:
    """Validation is done; what it means is told by the event that follows.

    Attributes:
        step: absolute optimizer steps behind the weights.
        ious: key of the pair -> its IoU at native size and threshold 0.5.
    """

    step: int
    ious: Mapping[str, float]


@dataclass(frozen=True)
class Baseline:
    """Validation scores of the weights that a start or a branch sets out from."""

    epoch: int
    iou: float
    dice: float
    mae: float


@dataclass(frozen=True)
class EpochDone:
    """An epoch was trained and validated; ``best`` if no epoch scored a higher IoU before."""

    record: EpochRecord
    best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written, which took so long."""

    path: Path
    position: Position
    seconds: float


@dataclass(frozen=True)
class MemoryRanOut:
    """Something did not fit into memory, and the run goes on otherwise.

    Attributes:
        where: ``training``, ``optimizer`` or ``validation``.
        step: absolute step under way.
        decision: what is done now, for people.
    """

    where: str
    step: int
    decision: str


@dataclass(frozen=True)
class ReadingTrouble:
    """Data is late, or who reads it died; said once, while the run waits or as it goes on.

    Attributes:
        step: absolute step under way.
        what: happened, and what is done about it, for people.
    """

    step: int
    what: str


@dataclass(frozen=True)
class RolledBack:
    """The run went back to its last checkpoint.

    Attributes:
        from_step: absolute step where it stood.
        position: where it stands now.
        reason: why and how it goes on, for people.
        samples: keys of the images that made the loss non-finite; else those of the last step.
        lineage: in force from now on.
    """

    from_step: int
    position: Position
    reason: str
    samples: tuple[str, ...]
    lineage: Lineage


@dataclass(frozen=True)
class Interrupted:
    """The run stopped before its end, and its checkpoint has everything up to here.

    Attributes:
        position: where it stands.
        why: such as ``on request`` or ``the budget of 11h30m is spent``.
    """

    position: Position
    why: str


class EventListener(Protocol):
    """Whoever reads the stream."""

    def on_event(self, event: "Event") -> None:
        """Take note of one event."""


Event = (
    Baseline
    | StageStarted
    | GroupsOpened
    | StepDone
    | Validating
    | EpochDone
    | Saved
    | Scored
    | MemoryRanOut
    | ReadingTrouble
    | RolledBack
    | Interrupted
)
