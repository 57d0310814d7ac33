"""What happened: events as they come, records, and the journal that holds them."""

from decamo.history.events import (
    Baseline,
    EpochDone,
    Event,
    GroupsOpened,
    Interrupted,
    Listener,
    MemoryRanOut,
    RolledBack,
    Saved,
    StageStarted,
    StepDone,
    Validating,
)
from decamo.history.journal import Journal, read_epochs, read_journal
from decamo.history.records import EpochRecord, StepRecord
from decamo.history.series import Past, Point, Stretch

__all__ = [
    "Baseline",
    "EpochDone",
    "EpochRecord",
    "Event",
    "GroupsOpened",
    "Interrupted",
    "Journal",
    "Listener",
    "MemoryRanOut",
    "Past",
    "Point",
    "RolledBack",
    "Saved",
    "StageStarted",
    "StepDone",
    "StepRecord",
    "Stretch",
    "Validating",
    "read_epochs",
    "read_journal",
]
