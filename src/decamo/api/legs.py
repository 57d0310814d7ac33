"""The legs of a training command: a leg ends with the plan, or where a race begins."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decamo.api.run_place import leave_traces
from decamo.checkpoint import Checkpoint
from decamo.data.cache.opening import Pool
from decamo.data.waiting import StopAsked
from decamo.errors import SettingsError
from decamo.history import EpochDone, Event, Interrupted, Journal, Saved, StepDone
from decamo.mirror.uploading import Mirror
from decamo.races.live import Live
from decamo.races.plateau import PlateauWatch
from decamo.report.console import Console
from decamo.schedule import SegmentKind
from decamo.settings import TrainSettings
from decamo.settings.plain import merged, to_plain
from decamo.stop_signals import StopRequests
from decamo.storage import RunFolder
from decamo.storage.owner import Ownership
from decamo.trackers import open_trackers
from decamo.training.choosing import Given, choose_settings
from decamo.training.data_splits import DataSplits
from decamo.training.prepare import Prepared, prepare
from decamo.training.run_summary import run_line, run_outcome, startup_summary
from decamo.training.runtime import Runtime
from decamo.training.stops import Budget, Stop, StopEars, StopKind

__all__ = [
    "Callback",
    "Ended",
    "Session",
    "insist_on_progress",
    "prepared_leg",
    "run_legs",
    "too_short",
]

Callback = Callable[[Event], None]
"""Called with every event of a training run, in the first process."""


@dataclass
class Session:
    """What the legs of one command share; a leg ends where a race begins."""

    given: Given
    folder: RunFolder
    runtime: Runtime
    splits: DataSplits
    con: Console
    budget: Budget | None
    asked: StopRequests
    owned: Ownership | None = None
    callbacks: Sequence[Callback] = ()
    mirror: Mirror | None = None
    pool: Pool = field(default_factory=Pool)
    moved: bool = False  # whether it made a step
    ears: StopEars = field(default_factory=StopEars)  # of the leg under way and what follows it

    def stop(self, also: Mapping[StopKind, Callable[[], str]] | None = None) -> str:
        """Why to stop now, or nothing; asked between two pieces of work.

        Args:
            also: asked last, of a leg alone.

        Raises:
            StorageError: another process has taken the folder over.
        """
        if self.owned is not None:
            self.owned.check()
        spent = {StopKind.BUDGET: self.budget.spent} if self.budget else {}
        return self.ears.ask({StopKind.SIGNAL: self.asked.why, **spent, **(also or {})})

    def waiting(self) -> str:
        """The same while files are awaited."""
        over = {StopKind.BUDGET: self.budget.over} if self.budget else {}
        return self.ears.ask({StopKind.SIGNAL: self.asked.why, **over})

    def listen_anew(self) -> None:
        """Forget what a piece of work that is over was ended for."""
        self.ears = StopEars()

    def ended(self, why: str, otherwise: StopKind) -> Stop | None:
        """Why work ended, where it did before its end.

        Args:
            why: in words; empty for at its end.
            otherwise: the kind, where no reason was asked for here.
        """
        if not why:
            return None
        return Stop(self.ears.heard.kind if self.ears.heard else otherwise, why)


@dataclass(frozen=True)
class Ended:
    """How a leg ended, and why, where it was before the end of its plan."""

    outcome: dict[str, Any]
    stop: Stop | None = None

    @property
    def plateau(self) -> bool:
        """Whether it stands still."""
        return self.stop is not None and self.stop.kind is StopKind.PLATEAU


def run_legs(session: Session, settings: TrainSettings, checkpoint: Checkpoint | None) -> Ended:
    """Train, race where the run stands still if that is asked for, and train what comes of it."""
    live = Live(
        session.folder, session.splits, session.runtime, session.con, session.budget, session.stop,
        session.waiting,
    )  # fmt: skip
    ended = Ended({})
    while True:
        try:
            ended = _leg(session, settings, checkpoint, live)
        except StopAsked as stopped:  # before the leg's first step
            insist_on_progress(session)
            return Ended(ended.outcome, session.ended(stopped.why, StopKind.ELSEWHERE))
        if not ended.plateau or settings.run.on_plateau != "escape":
            return ended
        session.asked.patient = True
        session.listen_anew()  # the plateau is answered
        after = live.hold(settings)
        if after.stopped:
            session.con.say(f"stopped in the race, {after.stopped}")
            session.moved = session.moved or live.moved
            insist_on_progress(session)
            return Ended(ended.outcome, session.ended(after.stopped, StopKind.DATA))
        settings, checkpoint = choose_settings(_onward(session, after.start))


def _onward(session: Session, start: Path) -> Given:
    """What the caller gave, to go on from a checkpoint in its folder."""
    resume = "auto" if start == session.folder.last else "never"
    here = {"resume_from": start, "resume": resume, "checkpoint_dir": session.folder.root}
    return merged(session.given, {"run": here, "optimise": {"reset_moments": False}})


def _leg(
    session: Session, settings: TrainSettings, checkpoint: Checkpoint | None, live: Live
) -> Ended:
    """Train to the end of the plan, or to where the run is stopped or stands still."""
    session.listen_anew()
    watch: PlateauWatch | None = None
    still = {StopKind.PLATEAU: lambda: watch.why if watch else ""}

    def stop() -> str:
        return session.stop(still)

    prepared = prepared_leg(session, settings, checkpoint, stop)
    state = prepared.trainer.state
    for line in startup_summary(settings, prepared, session.folder.journal):
        session.con.say(line)
    if session.runtime.is_main:
        leave_traces(session.con, settings, session.folder, prepared)
    session.asked.patient = True
    watch = PlateauWatch(
        state,
        to_plain(settings),
        settings.run.on_plateau,
        live.epochs,
        lambda records: live.refusal(settings, state.lineage, state.position, records),
    )
    if prepared.trainer.saved:
        watch.look()
    if watch.why:
        session.con.say(watch.why)
        return Ended(run_outcome(prepared, watch.why), Stop(StopKind.PLATEAU, watch.why))
    stopped = _train(session, settings, prepared, watch)
    otherwise = StopKind.DATA if prepared.trainer.stalled else StopKind.ELSEWHERE
    return Ended(run_outcome(prepared, stopped), session.ended(stopped, otherwise))


def prepared_leg(
    session: Session,
    settings: TrainSettings,
    checkpoint: Checkpoint | None,
    stop: Callable[[], str],
) -> Prepared:
    """A trainer with the session's place, images and ears."""
    session.runtime.phase("getting ready")
    return session.runtime.all_or_none(
        lambda: prepare(
            settings,
            session.folder,
            session.runtime,
            session.splits,
            checkpoint,
            stop=stop,
            clock=time.monotonic,
            waiting=session.waiting,
            pool=session.pool,
            say=session.con.say,
            on_squares=session.con.progress("squashing the images"),
        )
    )


def insist_on_progress(session: Session) -> None:
    """A budget without a single step would be given again and again, for nothing."""
    budget = session.budget
    if budget is not None and not session.moved and not session.asked.number:
        raise too_short(budget)


def too_short(budget: Budget | None) -> SettingsError:
    """The error of a budget in which not a single step was made."""
    words = "no time" if budget is None else budget.words
    return SettingsError("--budget", f"got {words}, over before the first step", "give more time")


def _train(
    session: Session, settings: TrainSettings, prepared: Prepared, watch: PlateauWatch
) -> str:
    """Run the trainer with its callbacks; returns why it stopped before its end, if it did."""
    trainer, folder = prepared.trainer, session.folder
    callbacks: list[Callback] = [
        session.con.on_event,
        *([session.budget.on_event] if session.budget else []),
    ]
    last: Event | None = None
    with ExitStack() as stack:
        if trainer.runtime.is_main:
            say = session.con.say
            journal = stack.enter_context(Journal(folder.journal, say))
            journal.write("run", run_line(settings, prepared))
            how = prepared.resumption
            same = how.kind is SegmentKind.CONTINUE
            trackers = open_trackers(stack, settings, folder, how.position.step, same, say)
            callbacks += [journal.on_event, *trackers, *session.callbacks]
            callbacks += [session.mirror.on_event] if session.mirror else []
        callbacks.append(watch.on_event)
        root = folder.root.resolve()
        trainer.runtime.remember(f"begun {root}")
        for event in trainer.run():
            last = event
            if isinstance(event, Saved):
                trainer.runtime.remember(f"saved {root}")
            for callback in callbacks:
                callback(event)
            session.moved = session.moved or isinstance(event, StepDone | EpochDone)
    if not isinstance(last, Interrupted):
        return ""
    if trainer.stalled is not None and not session.moved:  # it would stall again, for ever
        raise trainer.stalled
    insist_on_progress(session)
    return last.why
