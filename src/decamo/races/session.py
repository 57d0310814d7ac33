"""A race as a command holds it: put together from settings and a checkpoint, and told aloud."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from decamo.checkpoint import Checkpoint
from decamo.data.cache.opening import Pool
from decamo.data.waiting import NOBODY, Ear
from decamo.history import (
    EpochDone,
    Event,
    MemoryRanOut,
    ReadingTrouble,
    RolledBack,
    Saved,
    StepDone,
    Validating,
)
from decamo.races.branch import Branch, standard_branches
from decamo.races.branch_checkpoint import averageable, has_batchnorm, held_race
from decamo.races.race import Race, open_race
from decamo.races.start_point import StartPoint
from decamo.races.trial import Course
from decamo.report.console import Console
from decamo.schedule import HEAD
from decamo.settings import TrainSettings, shown
from decamo.training.data_splits import DataSplits
from decamo.training.runtime import Runtime
from decamo.training.stops import Budget

__all__ = ["begin_race", "course_of"]


def course_of(
    root: Path,
    path: Path,
    settings: TrainSettings,
    checkpoint: Checkpoint,
    splits: DataSplits,
    runtime: Runtime,
    *,
    epochs: int,
    stop: Callable[[], str],
    clock: Callable[[], float],
    ear: Ear = NOBODY,
    transplant: str = "",
) -> Course:
    """What the trials of a race share.

    Args:
        root: folder of the race.
        path: the checkpoint that is raced.
        settings: the checkpoint's own, under the flags given.
        checkpoint: what it holds.
        splits: the images.
        runtime: device; one process.
        epochs: of a trial.
        stop: asked between steps; a reason saves and ends the work.
        clock: seconds from any fixed moment.
        ear: listened to while files are awaited.
        transplant: timm's name of a foreign network's backbone; empty where that is not raced.

    Raises:
        SettingsError: it stands in stage 1.
    """
    # Files beside it may go while the winner trains; the race stays the one that was begun.
    known = held_race(root).get("number of checkpoints averaged")
    start = StartPoint(
        settings=settings,
        lineage=checkpoint.lineage,
        position=checkpoint.position,
        images=len(splits.train),
        snapshots=known if isinstance(known, int) else len(averageable(checkpoint, path)),
        batchnorm=has_batchnorm(checkpoint),
        logged=max(_logged_rates(checkpoint), default=0.0),
        transplant=transplant,
    )
    return Course(
        root=root,
        path=path,
        checkpoint=checkpoint,
        start=start,
        splits=splits,
        runtime=runtime,
        epochs=epochs,
        stop=stop,
        clock=clock,
        ear=ear,
        pool=Pool(runs=len(standard_branches(start))),
    )


def _logged_rates(checkpoint: Checkpoint) -> Iterator[float]:
    for record in checkpoint.history:
        rate = record.lr.get(HEAD, 0.0)
        if record.stage > 1 and rate > 0:  # not where it is NaN
            yield rate


def begin_race(
    course: Course,
    branches: Sequence[Branch],
    con: Console,
    budget: Budget | None,
    *,
    keep_all: bool = False,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> Race:
    """Open the race's folder, and say what is raced.

    Args:
        course: what the trials share.
        branches: that run.
        con: told all there is to tell.
        budget: hears how long saves take.
        keep_all: whether the folders of trials that are out are kept.
        on_event: told every event as well.

    Raises:
        SettingsError: the folder holds another race, or a branch's plan cannot be laid.
        StorageError: it cannot be written, or there is no room for the trials.
    """
    under_way = open_race(course, branches)
    plan = course.start
    con.say(
        f"{'the race goes on' if under_way else 'a race'}: {len(branches)} branches of"
        f" {course.path}, {course.epochs} epochs each from epoch {plan.done + 1} on,"
        f" {plan.images} images an epoch, {len(course.splits.val)} validate; LR now"
        f" {shown(float(f'{plan.rate:.2g}'))}"
    )
    width = max(len(b.name) for b in branches)

    def tell(name: str, event: Event) -> None:
        on_event(event)
        if isinstance(event, EpochDone):
            con.say(f"{name:{width}}  {event.record.line()}")
        elif isinstance(event, StepDone | Validating | MemoryRanOut | ReadingTrouble | RolledBack):
            con.on_event(event)
        if budget is not None and isinstance(event, Saved):
            budget.on_event(event)

    return Race(course, branches, keep_all, tell, con.say)
