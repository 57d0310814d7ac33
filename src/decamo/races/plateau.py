"""A run that looks at itself: whether it stands still, and whether something is done about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from decamo.diagnosis import Symptom, SymptomKind, diagnose_log
from decamo.history import EpochDone, EpochRecord, Event, TrainingLog
from decamo.history.carried import log_of_records
from decamo.schedule import Lineage, Position, was_raced

__all__ = ["TRIAL_EPOCHS", "PlateauWatch", "WatchedRun", "plateau_symptom"]

TRIAL_EPOCHS = 3
"""Epochs of a trial, unless a person says otherwise."""


class WatchedRun(Protocol):
    """What a watch reads of a run; it changes while the run goes on."""

    position: Position
    lineage: Lineage
    history: list[EpochRecord]


def plateau_symptom(past: TrainingLog) -> Symptom | None:
    """The verdict of ``decamo diagnose``, if it is a plateau, under the first schedule or a later.

    No target is held against it: whoever asks for an escape wants more than there is.
    """
    found = diagnose_log(past, target=None, situation=None)
    return found.verdict if found.kind in (SymptomKind.PLATEAU, SymptomKind.STILL_STUCK) else None


@dataclass
class PlateauWatch:
    """Hears a run's epochs, and says why to end this stretch of it after one.

    What it says depends on the run's history and lineage alone, which every checkpoint holds: a run
    that was killed says the same where it begins again.

    Attributes:
        run: the run's own state.
        settings: in force, by section.
        act: ``continue``, ``stop`` or ``escape``.
        trial: epochs that a trial would take.
        refuses: asked last: why there can be no race now, or nothing.
        why: to end it; empty while there is no reason.
    """

    run: WatchedRun
    settings: Mapping[str, Mapping[str, Any]]
    act: str
    trial: int = TRIAL_EPOCHS
    refuses: Callable[[Sequence[EpochRecord]], str] = lambda _records: ""
    why: str = field(default="", init=False)

    def on_event(self, event: Event) -> None:
        """Look after each epoch."""
        if isinstance(event, EpochDone):
            self.look()

    def look(self) -> None:
        """Look at the run where it stands."""
        self.why = ""
        if self.act == "continue" or not self._may_help():
            return
        past = log_of_records(self.run.history, self.run.lineage, self.settings)
        found = plateau_symptom(past)
        if found is None or (self.act == "escape" and self.refuses(self.run.history)):
            return
        self.why = found.sentence

    def _may_help(self) -> bool:
        """In stage 2 alone: stage 1 ends by itself, and stage 3 is a polish at one low rate.

        A race needs the epochs of its trials to be left, and a plan is raced once: the same
        question would have the same answer.
        """
        position, plan = self.run.position, self.run.lineage.plan
        if position.micro or position.epoch >= plan.last_epoch:
            return False
        stage = plan.stage_of_epoch(position.epoch + 1)
        if stage.number != 2 or stage.first_epoch > position.epoch:
            return False
        if self.act == "stop":
            return True
        left = stage.last_epoch - position.epoch
        return left >= self.trial and not was_raced(self.run.lineage)
