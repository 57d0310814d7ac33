"""What the trainer says, and to nobody in particular: console, journal and others listen."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from decamo.history.records import EpochRecord, StepRecord
from decamo.schedule import Lineage, Position, Stage

__all__ = [
    "Baseline",
    "EpochDone",
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
    "Validating",
]


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
