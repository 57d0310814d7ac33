"""Train: one call for a run, also through its plateaus."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decamo.api.adopt_first import with_foreign_adopted
from decamo.api.legs import Callback, Ended, Session, prepared_leg, run_legs, too_short
from decamo.api.mirroring import mirror_start, mirrored_run
from decamo.api.run_place import (
    as_it_is_now,
    closing_runtime,
    output_of,
    owned_folder,
    runtime_of,
)
from decamo.api.transplanting import transplanting
from decamo.checkpoint import Checkpoint
from decamo.data.waiting import StopAsked
from decamo.errors import DataError
from decamo.mirror.beginning import MirrorStart
from decamo.nn.build import refuse_unbuildable
from decamo.nn.networks import check_network
from decamo.report.console import Console
from decamo.report.plan_text import dry_run_text
from decamo.schedule import DryRun
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.settings.words import seconds_of
from decamo.stop_signals import stop_requests
from decamo.storage import (
    RunFolder,
    make_folder,
)
from decamo.storage.outputs import Read, Written
from decamo.trackers import check_trackers, complete_trackers
from decamo.training.choosing import (
    Config,
    Given,
    check_run_outputs,
    choose_settings,
    given_of,
    insist_on_named_code,
    with_local_files,
)
from decamo.training.data_splits import DataSplits, find_splits
from decamo.training.dry_run import rehearse
from decamo.training.prepare import ear_of
from decamo.training.resumption import is_complete
from decamo.training.run_summary import startup_summary
from decamo.training.runtime import Runtime, is_first_process
from decamo.training.stops import Budget, Stop, StopKind
from decamo.training.unlabelled import join_unlabelled

__all__ = ["Callback", "TrainResult", "train", "train_given"]


@dataclass(frozen=True)
class TrainResult:
    """What came of a training command.

    Attributes:
        folder: of the run.
        complete: the checkpoint, where it stood at the end of its plan before.
        stop: why it ended before the end of the plan; None for at its end.
        signal: number of the signal that stopped it; 0 for none.
        outcome: word, epoch, scores: what ``--json`` has.
        rehearsal: of a dry run, which trains nothing.
    """

    folder: RunFolder
    complete: Path | None = None
    stop: Stop | None = None
    signal: int = 0
    outcome: Mapping[str, Any] = field(default_factory=dict)
    rehearsal: DryRun | None = None

    def __str__(self) -> str:
        """A line: the folder, where its training stands, its best score."""
        told = [f"epoch {self.outcome['epoch']}"] if "epoch" in self.outcome else []
        if self.best_iou is not None:
            told.append(f"best IoU {self.best_iou:.4f} at epoch {self.best_epoch}")
        told += [self.stopped] if self.stop else []
        return f"{self.folder.root}: {', '.join(told) or 'nothing trained'}"

    @property
    def stopped(self) -> str:
        """Why before the end of the plan, for people; empty for at its end."""
        return self.stop.why if self.stop else ""

    @property
    def plateau(self) -> bool:
        """Whether it stopped because it stands still."""
        return self.stop is not None and self.stop.kind is StopKind.PLATEAU

    @property
    def best_iou(self) -> float | None:
        """Of the best checkpoint; None before the first validation."""
        return self.outcome.get("best_iou")

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the best checkpoint."""
        return self.outcome.get("best_epoch")


def train(
    config: Config = None,
    *,
    recipe: str | None = None,
    callbacks: Sequence[Callback] = (),
    dry_run: bool = False,
    transplant: str | Path | None = None,
    **options: Any,
) -> TrainResult:
    """Start a run, or go on with one; leaves the same run folder as ``decamo train``.

    Args:
        config: settings, whole or in part: :class:`decamo.TrainSettings`, a mapping, or the path of
            a TOML file such as a run's ``config.toml``.
        recipe: named settings, such as ``conservative``; they win over ``config``.
        callbacks: called with each event of the run in turn; what they raise ends the run.
        dry_run: rehearse each stage, a validation, a save and a load, and end.
        transplant: a checkpoint of another network, whose backbone our own network begins with.
        options: single settings by their names, such as ``epochs=120``; they win over all.

    Raises:
        DecamoError: the settings, the data, the checkpoint or the folder cannot be used.

    Example:
        >>> result = decamo.train(tiny, epochs=2, checkpoint_dir="run")
        scenes: 15 pairs in Train/Image + Train/GT_Object ...
        >>> result.folder.best.name
        'best_model.pth'
    """
    given = given_of(config, recipe=recipe, **options)
    if transplant is not None:
        given = transplanting(given, Path(transplant), print)
    return train_given(given, callbacks=callbacks, dry_run=dry_run)


def train_given(
    given: Given,
    *,
    callbacks: Sequence[Callback] = (),
    dry_run: bool = False,
    reads: Sequence[Read] = (),
    writes: Sequence[Written] = (),
) -> TrainResult:
    """Start a run, or go on with one, to its end or to where it is stopped.

    Args:
        given: options; see :func:`decamo.training.choosing.choose_settings`.
        callbacks: called with each event in turn; what they raise ends the run.
        dry_run: rehearse each stage, a validation, a save and a load, and end.
        reads: files that the caller reads as well; nothing is written over them.
        writes: files that the caller will write outside of the run folder.

    Raises:
        DecamoError: the settings, the data, the checkpoint or the folder cannot be used.
    """
    began = time.monotonic()
    given = with_local_files(given)
    mirror = mirror_start(given, print, look_only=dry_run)
    with with_foreign_adopted(given, print, dry_run=dry_run) as given:
        return _train(given, began, callbacks, dry_run, reads, writes, mirror)


def _train(
    given: Given,
    began: float,
    callbacks: Sequence[Callback],
    dry_run: bool,
    reads: Sequence[Read],
    writes: Sequence[Written],
    start: MirrorStart | None,
) -> TrainResult:
    settings, checkpoint = choose_settings(given)
    if not settings.data.dataset_path:
        raise DataError("--dataset-path", "not given", "name the folder of a data set")
    folder = RunFolder(settings.run.checkpoint_dir)
    if checkpoint is not None and is_complete(settings, checkpoint):
        check_trackers(settings)
        if is_first_process():
            with Console(sys.stdout, time.monotonic) as con:
                complete_trackers(settings, folder, checkpoint.position.step, con.say)
                with mirrored_run(start, folder, con, checkpoint):
                    pass  # it is sent what it lacks
        return TrainResult(folder, complete=settings.run.resume_from)
    if checkpoint is not None:
        refuse_unbuildable(checkpoint.architecture, settings.run.resume_from)
    insist_on_named_code(given, to_plain(settings), settings.run.resume_from)
    check_network(settings.model)
    check_trackers(settings)
    check_run_outputs(settings, reads, writes)
    make_folder(folder.root)
    runtime = runtime_of(settings)
    budget = _budget(settings, min(began, time.monotonic() - runtime.age()))
    with (
        closing_runtime(runtime),
        stop_requests() as asked,
        Console(output_of(runtime), time.monotonic) as con,
        owned_folder(folder, runtime, con) as owned,
    ):
        now = as_it_is_now(given, settings, checkpoint, runtime, con.say)
        given, settings, checkpoint = now
        if checkpoint is not None and is_complete(settings, checkpoint):
            return TrainResult(folder, complete=settings.run.resume_from)
        folder.open(settings.run.resume_from)
        try:
            images = _splits(settings, checkpoint, folder, runtime, con, budget)
            session = Session(
                given, folder, runtime, images, con, budget, asked, owned, tuple(callbacks),
                moved=_has_moved(runtime, folder),
            )  # fmt: skip
            if dry_run:
                return TrainResult(folder, rehearsal=_rehearse(session, settings, checkpoint))
        except StopAsked as stopped:
            if not _has_moved(runtime, folder):
                raise too_short(budget) from stopped
            return TrainResult(folder, stop=Stop(StopKind.BUDGET, stopped.why))
        with mirrored_run(start, folder, con, checkpoint, budget) as session.mirror:
            ended = run_legs(session, settings, checkpoint)
        con.say(_best_line(ended, folder))
        if ended.stop:
            other = " and --on-plateau continue" if ended.plateau else ""
            con.say(f"to go on: the same command with --resume auto{other}")
    return TrainResult(
        folder,
        stop=ended.stop,
        signal=asked.number,
        outcome=ended.outcome | {"stopped": ended.stop.why if ended.stop else ""},
    )


def _has_moved(runtime: Runtime, folder: RunFolder) -> bool:
    """Whether this command has trained before in processes that ``torchrun`` has replaced."""
    return runtime.remembers(f"saved {folder.root.resolve()}")


def _splits(
    settings: TrainSettings,
    checkpoint: Checkpoint | None,
    folder: RunFolder,
    runtime: Runtime,
    con: Console,
    budget: Budget | None,
) -> DataSplits:
    """The images to train and to validate on; the first process looks at them first."""
    runtime.phase("looking at the images")

    def look() -> DataSplits:
        with runtime.main_first():
            ear = ear_of(settings, lambda: budget.over() if budget else "", con.say)
            labelled = find_splits(
                settings.data,
                folder.census,
                con.progress("looking at the images"),
                keep=runtime.is_main,
                checkpoint=checkpoint,
                ear=ear,
            )
            return join_unlabelled(
                labelled,
                settings,
                folder,
                runtime,
                checkpoint,
                ear=ear,
                on_progress=con.progress("labelling the photographs"),
            )

    return runtime.all_or_none(look)


def _best_line(ended: Ended, folder: RunFolder) -> str:
    """The best score and its file; before the first validation there is neither."""
    iou, epoch = ended.outcome["best_iou"], ended.outcome["best_epoch"]
    if epoch:
        return f"best IoU {iou:.4f} at epoch {epoch}: {folder.best}"
    newest = f"; the newest weights: {folder.last}" if folder.last.exists() else ""
    return f"no validation yet, so no best weights{newest}"


def _rehearse(session: Session, settings: TrainSettings, checkpoint: Checkpoint | None) -> DryRun:
    prepared = prepared_leg(session, settings, checkpoint, session.stop)
    for line in startup_summary(settings, prepared, session.folder.journal):
        session.con.say(line)
    dry_run = rehearse(prepared.trainer)
    words = settings.run.budget
    session.con.say(dry_run_text(dry_run, None if words is None else seconds_of("budget", words)))
    return dry_run


def _budget(settings: TrainSettings, began: float) -> Budget | None:
    words = settings.run.budget
    if words is None:
        return None
    return Budget(words, seconds_of("budget", words), time.monotonic, began)
