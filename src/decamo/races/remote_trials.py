"""Trials of a race as tasks of a cluster: each a run folder that whoever has it goes on with."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from decamo.checkpoint import Checkpoint
from decamo.checkpoint.load_save import load_checkpoint
from decamo.cluster.tasks import Runner, TaskLine
from decamo.data.cache.opening import Pool
from decamo.data.waiting import Ear
from decamo.errors import CheckpointError
from decamo.history import EpochDone, Event, MemoryRanOut, ReadingTrouble, RolledBack, Saved
from decamo.races.branch import Branch
from decamo.races.branch_checkpoint import digest_of
from decamo.races.start_point import StartPoint
from decamo.races.trial import Course, advance
from decamo.races.trial_files import Result
from decamo.training.data_splits import DataSplits
from decamo.training.runtime import open_runtime

__all__ = ["RemoteTrials"]

# What is worth a line, or is counted on; a step is told by nobody but its own machine.
_TOLD = (EpochDone, MemoryRanOut, ReadingTrouble, RolledBack, Saved)


@dataclass(frozen=True)
class _Ground:
    """A course, as far as another machine can be given it."""

    root: Path
    path: Path
    digest: str
    start: StartPoint
    splits: DataSplits
    epochs: int
    device: str
    precision: str
    threads: int
    give_up_s: float


@dataclass(frozen=True)
class _Piece:
    seconds: float


@dataclass
class _Pace:
    """Tells how long the pieces of work are, for a budget that another machine keeps."""

    line: TaskLine
    longest: float = 0.0
    _asked: float | None = None

    def stop(self) -> str:
        now = time.monotonic()
        if self._asked is not None and now - self._asked > self.longest:
            self.longest = now - self._asked
            self.line.tell(_Piece(self.longest))
        self._asked = now
        return self.line.stop()


@dataclass(frozen=True)
class RemoteTrials:
    """Trains branches of a race wherever there is room: its :data:`~decamo.races.race.Trials`.

    Attributes:
        runner: hands the trials out.
        device: of a trial: ``cpu``, or ``cuda`` for the GPU that it is given.
        precision: of a trial.
        say: told a sentence.
        on_piece: told the seconds that a piece of work takes, between two looks for a reason to
            stop, where it is longer than those before.
    """

    runner: Runner
    device: str
    precision: str
    say: Callable[[str], None]
    on_piece: Callable[[float], None] = lambda _seconds: None

    def __call__(
        self,
        course: Course,
        branches: Sequence[Branch],
        rung: int,
        on_event: Callable[[str, Event], None],
    ) -> Iterator[tuple[Result, str]]:
        """Train all at once, as far as there is room; after one that stopped the others stop too.

        Raises:
            DecamoError: of a trial, or of the cluster.
        """
        stopped: list[str] = []

        def hear(name: str, told: object) -> None:
            if isinstance(told, str):
                self.say(f"{name}: {told}")
            elif isinstance(told, _Piece):
                self.on_piece(told.seconds)
            elif isinstance(told, _TOLD):
                on_event(name, told)

        for _, (result, why) in self.runner(
            _train,
            self._ground(course),
            {branch.name: (branch, rung) for branch in branches},
            on_event=hear,
            stop=lambda: stopped[0] if stopped else course.stop(),
        ):
            if why:
                stopped.append(why)
            yield result, why

    def _ground(self, course: Course) -> _Ground:
        return _Ground(
            course.root.absolute(),
            course.path.absolute(),
            digest_of(course.path),
            course.start,
            course.splits,
            course.epochs,
            self.device,
            self.precision,
            torch.get_num_threads(),
            course.ear.give_up_s,
        )


def _train(ground: _Ground, item: tuple[Branch, int], line: TaskLine) -> tuple[Result, str]:
    """One trial, in a process of a node."""
    branch, rung = item
    # Sums on a processor depend on how many threads share them.
    torch.set_num_threads(ground.threads)
    checkpoint, pool = _held(ground.path, ground.digest)
    course = Course(
        root=ground.root,
        path=ground.path,
        checkpoint=checkpoint,
        start=ground.start,
        splits=ground.splits,
        runtime=open_runtime(ground.device, ground.precision),
        epochs=ground.epochs,
        stop=_Pace(line).stop,
        clock=time.monotonic,
        ear=Ear(line.stop, give_up_s=ground.give_up_s),
        pool=pool,
    )

    def tell(event: Event) -> None:
        if isinstance(event, _TOLD):
            line.tell(event)

    return advance(course, branch, rung, tell)


@lru_cache(maxsize=1)
def _held(path: Path, digest: str) -> tuple[Checkpoint, Pool]:
    """The checkpoint and the images, for as many trials as come to this process.

    Raises:
        CheckpointError: it is another one here.
    """
    if digest_of(path) != digest:
        got = "it is not, or no longer, the checkpoint that the race was begun with"
        raise CheckpointError(path, got, "put it back, and give the same command again")
    return load_checkpoint(path), Pool()
