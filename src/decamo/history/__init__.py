"""What happened: events, records, the journal that holds them, and pasts read from any log."""

from decamo.history.events import (
    Baseline,
    EpochDone,
    EpochRecord,
    Event,
    EventListener,
    GroupsOpened,
    Interrupted,
    MemoryRanOut,
    ReadingTrouble,
    RolledBack,
    Saved,
    Scored,
    StageStarted,
    StepDone,
    StepRecord,
    Validating,
)
from decamo.history.journal import Journal, read_epochs, read_journal
from decamo.history.logs import past_of_text
from decamo.history.past_reader import read_past
from decamo.history.run_past import join, past_of_journal
from decamo.history.series import Origin, Past, Point, Stretch

__all__ = [
    "Baseline",
    "EpochDone",
    "EpochRecord",
    "Event",
    "EventListener",
    "GroupsOpened",
    "Interrupted",
    "Journal",
    "MemoryRanOut",
    "Origin",
    "Past",
    "Point",
    "ReadingTrouble",
    "RolledBack",
    "Saved",
    "Scored",
    "StageStarted",
    "StepDone",
    "StepRecord",
    "Stretch",
    "Validating",
    "join",
    "past_of_journal",
    "past_of_text",
    "read_epochs",
    "read_journal",
    "read_past",
]
