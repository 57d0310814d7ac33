"""Races that a run holds by itself, in its own folder and within its own budget."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from decamo.checkpoint.load_save import load_checkpoint
from decamo.errors import MemoryExhausted, SettingsError, StorageError, TrainingDiverged
from decamo.history import EpochRecord, Event, StepDone
from decamo.races.branch import only, standard_branches
from decamo.races.branch_checkpoint import digest_of, held_race
from decamo.races.outcome_table import outcome_text
from decamo.races.plateau import TRIAL_EPOCHS
from decamo.races.race import Race, begin_winner, race_outcome, stay, write_outcome
from decamo.races.session import begin_race, course_of
from decamo.races.start_point import StartPoint
from decamo.races.successive_halving import race_seconds
from decamo.report.console import Console
from decamo.schedule import Lineage, Position
from decamo.settings import TrainSettings
from decamo.settings.words import duration
from decamo.storage import RunFolder
from decamo.training.data_splits import DataSplits
from decamo.training.prepare import ear_of
from decamo.training.runtime import Runtime, release
from decamo.training.stops import Budget

__all__ = ["After", "Live"]

# What ends a race and not the run: no room for a dozen trials, a plan that cannot be laid, a
# control that diverges or does not fit where the run itself went on.
_NO_RACE = (SettingsError, StorageError, TrainingDiverged, MemoryExhausted)


@dataclass(frozen=True)
class After:
    """How a run goes on after a race.

    Attributes:
        start: the checkpoint to go on from.
        stopped: why the race is not over yet; empty where it is.
    """

    start: Path
    stopped: str = ""


@dataclass
class Live:
    """Races of a run.

    What is known of a race lies in its folder, which is named after the epoch; whether one was held
    lies in the run's lineage. Nothing else is remembered from session to session.

    Attributes:
        folder: of the run.
        splits: the images.
        runtime: device; one process.
        con: told all there is to tell.
        budget: of run and races together; None for no end.
        stop: asked between steps; a reason saves and ends the work.
        waiting: asked while files are awaited, likewise.
        clock: seconds from any fixed moment.
        epochs: of a trial.
        names: of the standard branches that are raced; empty for all.
        refused: whether a race was refused in this session: it would be again.
        moved: whether a step was made.
    """

    folder: RunFolder
    splits: DataSplits
    runtime: Runtime
    con: Console
    budget: Budget | None
    stop: Callable[[], str]
    waiting: Callable[[], str] = lambda: ""
    clock: Callable[[], float] = time.monotonic
    epochs: int = TRIAL_EPOCHS
    names: Sequence[str] = ()
    refused: bool = field(default=False, init=False)
    moved: bool = field(default=False, init=False)

    def refusal(
        self,
        settings: TrainSettings,
        lineage: Lineage,
        position: Position,
        records: Sequence[EpochRecord],
    ) -> str:
        """Why no race can be begun where the run stands, or nothing; said the first time.

        One that was begun in an earlier session goes on in any budget.
        """
        if self.refused:
            return "refused before"
        if self.budget is None or self._under_way(position):
            return ""
        start = StartPoint(settings, lineage, position, len(self.splits.train), 2, batchnorm=True)
        takes = race_seconds(start, self.epochs, records)
        if takes is None or takes <= self.budget.left:
            return ""
        why = (
            f"a plateau, and no race: it would take about {duration(takes)}, and"
            f" {duration(max(self.budget.left, 0))} of the budget of {self.budget.words} are left"
        )
        self._refuse(why)
        return why

    def hold(self, settings: TrainSettings) -> After:
        """Race branches of the run's newest checkpoint, and begin what comes of it.

        Args:
            settings: in force; their plan is the control's.

        Returns:
            how to go on: with the winner's plan, or with the run's own, whose lineage then says so.

        Raises:
            DecamoError: data or checkpoint cannot be read.
        """
        release(self.runtime.device)  # the run's own network is no longer held
        last = self.folder.last
        try:
            race = self._open(settings)
            if why := race.run():
                return After(last, why)
            outcome = race_outcome(race)
            write_outcome(race.course.root, outcome)
            self.con.say(f"\n{outcome_text(outcome)}\n")
            race.clear([])
            if outcome.winner is None:
                return After(stay(race, outcome, self.folder))
            return After(begin_winner(race, outcome, self.folder) or last)
        except _NO_RACE as error:
            self._refuse(f"no race: {error}; the run goes on as it is")
            return After(last)

    def _open(self, settings: TrainSettings) -> Race:
        last = self.folder.last
        checkpoint = load_checkpoint(last)
        root = self._root(checkpoint.position.epoch)
        if held_race(root).get("checkpoint") not in (None, digest_of(last)):
            shutil.rmtree(root, ignore_errors=True)  # the run has come to this epoch another way
        settings = replace(settings, run=replace(settings.run, resume_from=last))
        course = course_of(
            root,
            last,
            settings,
            checkpoint,
            self.splits,
            self.runtime,
            epochs=self.epochs,
            stop=self.stop,
            clock=self.clock,
            ear=ear_of(settings, self.waiting),
        )
        standard = standard_branches(course.start)
        branches = only(standard, self.names) if self.names else standard
        return begin_race(course, branches, self.con, self.budget, on_event=self._on_event)

    def _on_event(self, event: Event) -> None:
        self.moved = self.moved or isinstance(event, StepDone)

    def _root(self, epoch: int) -> Path:
        return self.folder.races / f"epoch-{epoch:04d}"

    def _under_way(self, position: Position) -> bool:
        held = held_race(self._root(position.epoch)).get("checkpoint")
        return bool(held) and held == digest_of(self.folder.last)

    def _refuse(self, why: str) -> None:
        self.refused = True
        self.con.say(why)
