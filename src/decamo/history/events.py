"""What the trainer says, and to nobody in particular: console, journal and others listen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from decamo.history.records import EpochRecord, StepRecord
from decamo.plan import Position, Stage

__all__ = [
    "Baseline",
    "EpochDone",
    "Event",
    "GroupsOpened",
    "Interrupted",
    "Listener",
    "Saved",
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
    """An optimiser step was made: the epoch has ``done`` of its ``of`` steps behind it."""

    record: StepRecord
    done: int
    of: int


@dataclass(frozen=True)
class Validating:
    """Validation has come this far, in images."""

    done: int
    of: int


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
    """A checkpoint was written."""

    path: Path
    position: Position


@dataclass(frozen=True)
class Interrupted:
    """The run stopped on request, between two optimiser steps, after it was saved."""

    position: Position


class Listener(Protocol):
    """Whoever reads the stream."""

    def hear(self, event: "Event") -> None:
        """Take note of one event."""


Event = (
    Baseline | StageStarted | GroupsOpened | StepDone | Validating | EpochDone | Saved | Interrupted
)
