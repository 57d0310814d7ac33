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
from decamo.history.log_reader import read_training_log
from decamo.history.logs import log_of_text
from decamo.history.run_log import join, log_of_journal
from decamo.history.training_log import LogSegment, Origin, Point, TrainingLog

__all__ = [
    "Baseline",
    "EpochDone",
    "EpochRecord",
    "Event",
    "EventListener",
    "GroupsOpened",
    "Interrupted",
    "Journal",
    "LogSegment",
    "MemoryRanOut",
    "Origin",
    "Point",
    "ReadingTrouble",
    "RolledBack",
    "Saved",
    "Scored",
    "StageStarted",
    "StepDone",
    "StepRecord",
    "TrainingLog",
    "Validating",
    "join",
    "log_of_journal",
    "log_of_text",
    "read_epochs",
    "read_journal",
    "read_training_log",
]
