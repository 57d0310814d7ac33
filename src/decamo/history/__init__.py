"""What happened: events as they come, records, and the journal that holds them."""

from decamo.history.events import (
    Baseline,
    EpochDone,
    Event,
    GroupsOpened,
    Interrupted,
    Listener,
    Saved,
    StageStarted,
    StepDone,
    Validating,
)
from decamo.history.journal import Journal, read_epochs, read_journal
from decamo.history.records import EpochRecord, StepRecord

__all__ = [
    "Baseline",
    "EpochDone",
    "EpochRecord",
    "Event",
    "GroupsOpened",
    "Interrupted",
    "Journal",
    "Listener",
    "Saved",
    "StageStarted",
    "StepDone",
    "StepRecord",
    "Validating",
    "read_epochs",
    "read_journal",
]
