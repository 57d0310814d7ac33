"""Past numbers: records, and the journal that holds them."""

from decamo.history.journal import Journal, read_epochs, read_journal
from decamo.history.records import EpochRecord, StepRecord

__all__ = ["EpochRecord", "Journal", "StepRecord", "read_epochs", "read_journal"]
