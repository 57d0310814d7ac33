"""Train: one call for a run, also through its plateaus."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decamo.api.run_place import (
    as_it_is_now,
    closing_runtime,
    leave_traces,
    output_of,
    owned_folder,
    runtime_of,
)
from decamo.checkpoint import Checkpoint
from decamo.data.cache.opening import Pool
from decamo.data.waiting import StopAsked
from decamo.errors import DataError, SettingsError
from decamo.history import EpochDone, Event, Interrupted, Journal, StepDone
from decamo.nn.build import refuse_foreign
from decamo.races.live import Live
from decamo.races.plateau import PlateauWatch
from decamo.report.console import Console
from decamo.report.plan_text import preflight_text
from decamo.report.tensorboard import TensorBoard
from decamo.schedule import Preflight
from decamo.settings import TrainSettings
from decamo.settings.plain import merged, to_plain
from decamo.settings.words import seconds_of
from decamo.storage import (
    RunFolder,
    make_folder,
)
from decamo.storage.outputs import Read, Written
from decamo.storage.owner import Ownership
from decamo.training.choosing import Config, Given, check_run_outputs, choose_settings, given_of
from decamo.training.preflight import rehearse
from decamo.training.prepare import Prepared, ear_of, prepare
from decamo.training.resumption import is_complete
from decamo.training.run_summary import introduction, run_line, run_outcome
from decamo.training.runtime import Runtime
from decamo.training.stops import Budget, StopRequests, stop_requests
from decamo.training.supply import Supply, find_supply

__all__ = ["Callback", "TrainResult", "train", "train_given"]

Callback = Callable[[Event], None]
"""Called with every event of a training run, in the first process."""


@dataclass(frozen=True)
class TrainResult:
    """What came of a training command.

    Attributes:
        folder: of the run.
        complete: the checkpoint, where it stood at the end of its plan before.
        stopped: why before the end of the plan; empty for at its end.
        signal: number of the signal that stopped it; 0 for none.
        plateau: whether it stopped because it stands still.
        outcome: word, epoch, scores: what ``--json`` has.
        rehearsal: of a dry run, which trains nothing.
    """

    folder: RunFolder
    complete: Path | None = None
    stopped: str = ""
    signal: int = 0
    plateau: bool = False
    outcome: Mapping[str, Any] = field(default_factory=dict)
    rehearsal: Preflight | None = None

    @property
    def best_iou(self) -> float | None:
        """Of the best checkpoint; None before the first validation."""
        return self.outcome.get("best_iou")

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the best checkpoint."""
        return self.outcome.get("best_epoch")


@dataclass
class _Session:
    """What the legs of one command share; a leg ends where a race begins."""

    given: Given
    folder: RunFolder
    runtime: Runtime
    supply: Supply
    con: Console
    budget: Budget | None
    asked: StopRequests
    owned: Ownership | None = None
    callbacks: Sequence[Callback] = ()
    pool: Pool = field(default_factory=Pool)
    moved: bool = False  # whether it made a step

    def stop(self) -> str:
        """Why to stop now, or nothing; asked between two pieces of work.

        Raises:
            StorageError: another process has taken the folder over.
        """
        if self.owned is not None:
            self.owned.check()
        return self.asked.why() or (self.budget.spent() if self.budget else "")

    def waiting(self) -> str:
        """The same while files are awaited."""
        return self.asked.why() or (self.budget.over() if self.budget else "")


@dataclass(frozen=True)
class _Ended:
    """How a leg ended: why before the end of its plan, if so, and whether at a plateau."""

    outcome: dict[str, Any]
    stopped: str = ""
    plateau: bool = False


def train(
    config: Config = None,
    *,
    recipe: str | None = None,
    callbacks: Sequence[Callback] = (),
    dry_run: bool = False,
    **options: Any,
) -> TrainResult:
    """Start a run, or go on with one; leaves the same run folder as ``decamo train``.

    Args:
        config: settings, whole or in part: :class:`decamo.TrainSettings`, a mapping, or the path of
            a TOML file such as a run's ``config.toml``.
        recipe: named settings, such as ``conservative``; they win over ``config``.
        callbacks: called with each event of the run in turn; what they raise ends the run.
        dry_run: rehearse each stage, a validation, a save and a load, and end.
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
    settings, checkpoint = choose_settings(given)
    if not settings.data.dataset_path:
        raise DataError("--dataset-path", "not given", "name the folder of a data set")
    folder = RunFolder(settings.run.checkpoint_dir)
    if checkpoint is not None and is_complete(settings, checkpoint):
        return TrainResult(folder, complete=settings.run.resume_from)
    if checkpoint is not None:
        refuse_foreign(checkpoint.architecture, settings.run.resume_from)
    check_run_outputs(settings, reads, writes)
    make_folder(folder.root)
    runtime = runtime_of(settings)
    budget = _budget(settings, began)
    with (
        closing_runtime(),
        stop_requests() as asked,
        Console(output_of(runtime), time.monotonic) as con,
        owned_folder(folder, runtime, con) as owned,
    ):
        settings, checkpoint = as_it_is_now(given, settings, checkpoint)
        if checkpoint is not None and is_complete(settings, checkpoint):
            return TrainResult(folder, complete=settings.run.resume_from)
        folder.open(settings.run.resume_from)
        try:
            images = _supply(settings, checkpoint, folder, runtime, con, budget)
            session = _Session(
                given, folder, runtime, images, con, budget, asked, owned, tuple(callbacks)
            )
            if dry_run:
                return TrainResult(folder, rehearsal=_rehearse(session, settings, checkpoint))
        except StopAsked as stopped:
            raise _too_short(budget) from stopped
        ended = _legs(session, settings, checkpoint)
        con.say(_best_line(ended, folder))
        if ended.stopped:
            other = " and --on-plateau continue" if ended.plateau else ""
            con.say(f"to go on: the same command with --resume auto{other}")
    return TrainResult(
        folder,
        stopped=ended.stopped,
        signal=asked.number,
        plateau=ended.plateau,
        outcome=ended.outcome | {"stopped": ended.stopped},
    )


def _supply(
    settings: TrainSettings,
    checkpoint: Checkpoint | None,
    folder: RunFolder,
    runtime: Runtime,
    con: Console,
    budget: Budget | None,
) -> Supply:
    """The images to train and to validate on; the first process looks at them first."""
    with runtime.main_first():
        return find_supply(
            settings.data,
            folder.census,
            con.progress("looking at the images"),
            keep=runtime.is_main,
            checkpoint=checkpoint,
            ear=ear_of(settings, lambda: budget.over() if budget else "", con.say),
        )


def _best_line(ended: _Ended, folder: RunFolder) -> str:
    """The best score and its file; before the first validation there is neither."""
    iou, epoch = ended.outcome["best_iou"], ended.outcome["best_epoch"]
    if epoch:
        return f"best IoU {iou:.4f} at epoch {epoch}: {folder.best}"
    newest = f"; the newest weights: {folder.last}" if folder.last.exists() else ""
    return f"no validation yet, so no best weights{newest}"


def _legs(session: _Session, settings: TrainSettings, checkpoint: Checkpoint | None) -> _Ended:
    """Train, race where the run stands still if that is asked for, and train what comes of it."""
    live = Live(
        session.folder, session.supply, session.runtime, session.con, session.budget, session.stop,
        session.waiting,
    )  # fmt: skip
    ended = _Ended({})
    while True:
        try:
            ended = _leg(session, settings, checkpoint, live)
        except StopAsked as stopped:  # before the leg's first step
            _insist_on_progress(session)
            return _Ended(ended.outcome, stopped.why)
        if not ended.plateau or settings.run.on_plateau != "escape":
            return ended
        session.asked.patient = True
        after = live.hold(settings)
        if after.stopped:
            session.con.say(f"stopped in the race, {after.stopped}")
            session.moved = session.moved or live.moved
            _insist_on_progress(session)
            return _Ended(ended.outcome, after.stopped)
        settings, checkpoint = choose_settings(_onward(session, after.start))


def _onward(session: _Session, start: Path) -> Given:
    """What the caller gave, to go on from a checkpoint in its folder."""
    resume = "auto" if start == session.folder.last else "never"
    here = {"resume_from": start, "resume": resume, "checkpoint_dir": session.folder.root}
    return merged(session.given, {"run": here, "optimise": {"reset_moments": False}})


def _leg(
    session: _Session, settings: TrainSettings, checkpoint: Checkpoint | None, live: Live
) -> _Ended:
    """Train to the end of the plan, or to where the run is stopped or stands still."""
    watch: PlateauWatch | None = None

    def stop() -> str:
        return session.stop() or (watch.why if watch else "")

    prepared = _prepared(session, settings, checkpoint, stop)
    state = prepared.trainer.state
    for line in introduction(settings, prepared, session.folder.journal):
        session.con.say(line)
    if session.runtime.is_main:
        leave_traces(session.con, settings, session.folder, prepared)
    session.asked.patient = True
    watch = PlateauWatch(
        state,
        to_plain(settings),
        settings.run.on_plateau,
        live.epochs,
        lambda records: live.refusal(settings, state.ledger, state.position, records),
    )
    if prepared.trainer.saved:
        watch.look()
    if watch.why:
        session.con.say(watch.why)
        return _Ended(run_outcome(prepared, watch.why), watch.why, plateau=True)
    stopped = _train(session, settings, prepared, watch)
    at_plateau = bool(stopped) and stopped == watch.why
    return _Ended(run_outcome(prepared, stopped), stopped, at_plateau)


def _prepared(
    session: _Session,
    settings: TrainSettings,
    checkpoint: Checkpoint | None,
    stop: Callable[[], str],
) -> Prepared:
    return prepare(
        settings,
        session.folder,
        session.runtime,
        session.supply,
        checkpoint,
        stop=stop,
        clock=time.monotonic,
        waiting=session.waiting,
        pool=session.pool,
        say=session.con.say,
        on_squares=session.con.progress("squashing the images"),
    )


def _insist_on_progress(session: _Session) -> None:
    """A budget without a single step would be given again and again, for nothing."""
    budget = session.budget
    if budget is not None and not session.moved and not session.asked.number:
        raise _too_short(budget)


def _too_short(budget: Budget | None) -> SettingsError:
    words = "no time" if budget is None else budget.words
    return SettingsError("--budget", f"got {words}, over before the first step", "give more time")


def _rehearse(
    session: _Session, settings: TrainSettings, checkpoint: Checkpoint | None
) -> Preflight:
    prepared = _prepared(session, settings, checkpoint, session.stop)
    for line in introduction(settings, prepared, session.folder.journal):
        session.con.say(line)
    flight = rehearse(prepared.trainer)
    words = settings.run.budget
    session.con.say(preflight_text(flight, None if words is None else seconds_of("budget", words)))
    return flight


def _budget(settings: TrainSettings, began: float) -> Budget | None:
    words = settings.run.budget
    if words is None:
        return None
    return Budget(words, seconds_of("budget", words), time.monotonic, began)


def _train(
    session: _Session, settings: TrainSettings, prepared: Prepared, watch: PlateauWatch
) -> str:
    """Run the trainer with its callbacks; returns why it stopped before its end, if it did."""
    trainer, folder = prepared.trainer, session.folder
    callbacks: list[Callback] = [
        session.con.hear,
        *([session.budget.hear] if session.budget else []),
    ]
    last: Event | None = None
    with ExitStack() as stack:
        if trainer.runtime.is_main:
            say = session.con.say
            journal = stack.enter_context(Journal(folder.journal, say))
            journal.write("run", run_line(settings, prepared))
            board = stack.enter_context(
                closing(TensorBoard(folder.tensorboard, prepared.resumption.position.step, say))
            )
            callbacks += [journal.hear, board.hear, *session.callbacks]
        callbacks.append(watch.hear)
        for event in trainer.run():
            last = event
            for callback in callbacks:
                callback(event)
            session.moved = session.moved or isinstance(event, StepDone | EpochDone)
    if not isinstance(last, Interrupted):
        return ""
    if trainer.stalled is not None and not session.moved:  # it would stall again, for ever
        raise trainer.stalled
    _insist_on_progress(session)
    return last.why
