"""One branch, trained up to a rung in a run folder of its own, from wherever it stands."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from decamo.checkpoint import Checkpoint
from decamo.checkpoint.load_save import load_checkpoint, newest_of
from decamo.data.cache.opening import Pool
from decamo.data.waiting import NOBODY, Ear, StopAsked
from decamo.errors import CheckpointError, DataStalled, MemoryExhausted, TrainingDiverged
from decamo.history import Baseline, EpochDone, Event, Interrupted, Journal, Scored
from decamo.races.branch import CONTROL, TRANSPLANT, Branch
from decamo.races.branch_checkpoint import (
    averageable,
    averaged,
    depart,
    recalibrated,
    transplanted,
)
from decamo.races.start_point import StartPoint
from decamo.races.successive_halving import lineage_of, trial_settings
from decamo.races.trial_files import LostKind, LostTrial, Result, Rung, read_result, write_result
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage import RunFolder
from decamo.storage.owner import Ownership
from decamo.storage.owner_file import is_owner_file
from decamo.training.data_splits import DataSplits
from decamo.training.owning import own_in_time
from decamo.training.prepare import Prepared, prepare
from decamo.training.runtime import Runtime
from decamo.training.state import TrainState

__all__ = ["Course", "advance", "branch_state"]

_HERE = "the rung is reached"


@dataclass(frozen=True)
class Course:
    """What all trials of a race share.

    Attributes:
        root: folder of the race.
        path: the checkpoint that is raced.
        checkpoint: what it holds.
        start: where it stands.
        splits: the images.
        runtime: device; one process.
        epochs: of a trial.
        stop: asked between steps; a reason saves and ends the work.
        clock: seconds from any fixed moment.
        pool: training images that the trials read in turn.
        ear: listened to while files are awaited.
    """

    root: Path
    path: Path
    checkpoint: Checkpoint
    start: StartPoint
    splits: DataSplits
    runtime: Runtime
    epochs: int
    stop: Callable[[], str]
    clock: Callable[[], float]
    pool: Pool = field(default_factory=Pool)
    ear: Ear = NOBODY


def advance(
    course: Course, branch: Branch, rung: int, on_event: Callable[[Event], None]
) -> tuple[Result, str]:
    """Train a branch until it has ``rung`` epochs behind it, counted from the checkpoint.

    It goes on from the newest checkpoint of its folder, and from the race's where there is none. A
    rung's scores are on the disk before its checkpoint is, so that none is lost between the two.

    Args:
        course: of the race.
        branch: to be trained.
        rung: at most ``course.epochs``.
        on_event: told every event.

    Returns:
        what is known of it now, and why it stopped before the rung, if it did.

    Raises:
        TrainingDiverged: the control does; another branch is lost, and its result says so.
        MemoryExhausted: likewise.
        DecamoError: disk, data or settings.
    """
    folder = RunFolder(course.root / branch.name)
    try:
        with own_in_time(folder.root, stop=course.stop, say=course.ear.say) as owned:
            return _advance(course, branch, rung, owned, on_event)
    except StopAsked as stopped:
        return read_result(course.root, branch.name), str(stopped)


def _advance(
    course: Course,
    branch: Branch,
    rung: int,
    owned: Ownership,
    on_event: Callable[[Event], None],
) -> tuple[Result, str]:
    folder = RunFolder(course.root / branch.name)
    result, under_way = _where(course, folder, branch)
    target = course.start.done + rung
    try:
        state, settings = under_way or _begin(course, folder, branch)
        if state.position.epoch >= target:
            return result, ""
        prepared = _prepared(course, folder, settings, state, target)
    except (StopAsked, DataStalled) as stopped:
        return result, str(stopped)
    scribe = _Scribe(course, prepared.trainer.state, result)
    why = ""
    try:
        with Journal(folder.journal) as journal:
            if under_way is None:
                journal.write("run", _run_line(prepared, settings))
            for event in prepared.trainer.run():
                owned.check()
                scribe.on_event(event)
                journal.on_event(event)
                on_event(event)
                why = event.why if isinstance(event, Interrupted) else why
    except (TrainingDiverged, MemoryExhausted) as error:
        if branch.name == CONTROL:
            raise
        diverged = isinstance(error, TrainingDiverged)
        kind = LostKind.DIVERGED if diverged else LostKind.MEMORY
        lost = replace(scribe.result, lost=LostTrial(kind, error.got))
        write_result(course.root, lost)
        return lost, ""
    reached = prepared.trainer.state.position.epoch >= target
    return scribe.result, "" if reached else why or "asked to stop"


def branch_state(course: Course, branch: Branch, settings: TrainSettings, why: str) -> Checkpoint:
    """The checkpoint as the branch leaves it, under the settings of its trial or of its whole way.

    Raises:
        SettingsError: its plan cannot be laid.
        CheckpointError: a checkpoint to be averaged cannot be read.
    """
    lineage = lineage_of(branch, settings, course.start, why)
    others = averageable(course.checkpoint, course.path)[1:]
    size = lineage.plan.stages[0].img_size
    transforms: dict[str, Callable[[Checkpoint], Checkpoint]] = {
        "average": lambda state: averaged(state, others),
        "batchnorm": lambda state: recalibrated(state, course.splits.train, size, course.ear),
        TRANSPLANT: lambda state: transplanted(state, course.path),
    }
    return depart(course.checkpoint, settings, lineage, branch.before, transforms)


def _where(
    course: Course, folder: RunFolder, branch: Branch
) -> tuple[Result, tuple[Checkpoint, TrainSettings] | None]:
    """What a trial found so far, and the state and settings it goes on with.

    Where its folder is damaged, or has come farther than its results, it begins anew.
    """
    result = read_result(course.root, branch.name)
    try:
        newest = newest_of(folder)
        state = None if newest is None else load_checkpoint(newest)
    except CheckpointError:
        newest, state = None, None
    if state is not None and newest is not None:
        done = state.position.epoch - course.start.done
        if set(range(done + 1)) - {0} <= result.rungs.keys():
            settings = trial_settings(branch, course.start, course.epochs)
            return result, (state, _placed(settings, folder, newest))
    for path in folder.root.iterdir():
        if not is_owner_file(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Result(branch.name, {}), None


def _begin(course: Course, folder: RunFolder, branch: Branch) -> tuple[Checkpoint, TrainSettings]:
    settings = trial_settings(branch, course.start, course.epochs)
    folder.open(None)
    settings = _placed(settings, folder, course.path)
    why = f"a trial of {course.epochs} epochs from {course.path.name}"
    return branch_state(course, branch, settings, why), settings


def _placed(settings: TrainSettings, folder: RunFolder, path: Path) -> TrainSettings:
    run = replace(
        settings.run,
        checkpoint_dir=folder.root,
        resume_from=path,
        resume="never",
        budget=None,
        keep_last=0,
        keep_every=0,
    )
    return replace(settings, run=run)


def _prepared(
    course: Course, folder: RunFolder, settings: TrainSettings, state: Checkpoint, target: int
) -> Prepared:
    made: list[Prepared] = []

    def stop() -> str:
        if made and made[0].trainer.state.position.epoch >= target:
            return _HERE
        return course.stop()

    made.append(
        prepare(
            settings,
            folder,
            course.runtime,
            course.splits,
            state,
            stop=stop,
            clock=course.clock,
            waiting=course.ear.listen,
            pool=course.pool,
            say=course.ear.say,
        )
    )
    return made[0]


@dataclass
class _Scribe:
    """Puts what events tell into the trial's result, on the disk at once."""

    course: Course
    state: TrainState
    result: Result
    _ious: Mapping[str, float] | None = None

    def on_event(self, event: Event) -> None:
        if isinstance(event, Scored):  # what it is the score of is told by the next event
            self._ious = event.ious
        elif isinstance(event, Baseline):
            self._note(0, event.epoch - 1, event.iou)
        elif isinstance(event, EpochDone):
            record = event.record
            seconds = record.train_seconds + record.val_seconds
            number = record.epoch - self.course.start.done
            self._note(number, record.epoch, record.iou, record.loss, seconds, record.train_seconds)

    def _note(
        self,
        number: int,
        epoch: int,
        iou: float,
        loss: float | None = None,
        seconds: float = 0.0,
        train_seconds: float = 0.0,
    ) -> None:
        steps = self.state.position.step - self.course.start.position.step
        last = self.state.position.step - 1 if number else self.state.position.step
        rate = self.state.lineage.plan.lr(last)
        ious = dict(self._ious or {})
        rung = Rung(epoch, steps, iou, ious, loss, rate, seconds, train_seconds)
        self.result = self.result.with_rung(number, rung)
        write_result(self.course.root, self.result)


def _run_line(prepared: Prepared, settings: TrainSettings) -> dict[str, Any]:
    lineage = prepared.resumption.lineage
    return {
        "word": lineage.last.kind.value,
        "reason": lineage.last.reason,
        "settings": to_plain(settings),
        "ledger": lineage.to_plain(),
        "train_images": len(prepared.splits.train),
        "val_images": len(prepared.splits.val),
        "device": str(prepared.trainer.runtime.device),
    }
