"""All branches of all seeds, from wherever an earlier call left them or another process is."""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.claims_stalled import Stalled, held_stall, stall
from decamo.errors import SettingsError
from decamo.history import EpochRecord, Event
from decamo.races.branch import Branch
from decamo.races.branch_checkpoint import has_batchnorm
from decamo.races.race import open_race
from decamo.races.start_point import StartPoint
from decamo.races.trial import Course, advance
from decamo.races.trial_files import ClaimLost, Result, TrialClaim, read_result, take
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage import make_folder, write_whole
from decamo.training.data_splits import DataSplits
from decamo.training.runtime import Runtime

__all__ = ["Study", "Trained"]

_STUDY = "study.json"
_WAIT = 2.0  # seconds between two looks at what other processes do


@dataclass(frozen=True)
class Trained:
    """What one seed gave.

    Attributes:
        seed: of its stalled run and of all its branches.
        history: the stalled run's epochs, as its checkpoint keeps them.
        results: branch -> its rungs so far.
    """

    seed: int
    history: Sequence[EpochRecord]
    results: Mapping[str, Result]


@dataclass(frozen=True)
class Study:
    """Branches of stalled runs that differ in their seed.

    Several processes may share the folder, on one machine or many, as with `decamo escape`: a run
    is claimed before it is trained.

    Attributes:
        root: its folder; ``seed-N/base`` is a stalled run, ``seed-N/trials`` its branches.
        settings: of the stalled runs, the seed and the folder aside.
        branches: the control first.
        seeds: as many stalled runs.
        epochs: of a branch.
        splits: the images.
        runtime: device; one process.
        stop: asked between steps; a reason saves and ends the work.
        clock: of the branches' training seconds.
        on_event: told the seed, the branch (empty for the stalled run) and every event.
        keep_all: whether the checkpoints of finished branches are kept.
        sleep: waits so many seconds.
    """

    root: Path
    settings: TrainSettings
    branches: Sequence[Branch]
    seeds: int
    epochs: int
    splits: DataSplits
    runtime: Runtime
    stop: Callable[[], str]
    clock: Callable[[], float]
    on_event: Callable[[int, str, Event], None]
    keep_all: bool = False
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> str:
        """Train all that is still to be trained; returns why it stopped before the end, if it did.

        Raises:
            SettingsError: the folder holds another study.
            DecamoError: a stalled run or a control cannot be trained; disk or data.
        """
        self._open()
        while not all(self._is_done(seed) for seed in range(self.seeds)):
            if why := self.stop():
                return why
            took = False
            for seed in range(self.seeds):
                took, why = self._seed(seed)
                if why:
                    return why
                if took:
                    break
            if not took:
                self.sleep(_WAIT)
        return ""

    def found(self) -> tuple[Trained, ...]:
        """What is known by now of the seeds whose stalled run is done."""
        done = []
        for seed in range(self.seeds):
            base = held_stall(self._settings_of(seed))
            if base is not None:
                results = {b.name: read_result(self._trials(seed), b.name) for b in self.branches}
                done.append(Trained(seed, base.checkpoint.history, results))
        return tuple(done)

    def _seed(self, seed: int) -> tuple[bool, str]:
        """Train one run of a seed that nobody else does; whether there was one, and why to stop."""
        if self._is_done(seed):
            return False, ""
        base = held_stall(self._settings_of(seed))
        if base is None:
            return self._claimed(self.root, f"seed-{seed}", partial(self._base, seed))
        course = self._course(seed, base)
        open_race(course, self.branches)
        for branch in self.branches:
            if self._is_over(seed, branch):
                continue
            work = partial(self._trial, seed, course, branch)
            took, why = self._claimed(course.root, branch.name, work)
            if took or why:
                return took, why
        return False, ""

    def _claimed(
        self, folder: Path, name: str, work: Callable[[TrialClaim], str]
    ) -> tuple[bool, str]:
        claim = take(folder, name, now=time.time(), clock=time.monotonic)
        if claim is None:
            return False, ""
        with claim:
            try:
                return True, work(claim)
            except ClaimLost:
                return True, ""

    def _base(self, seed: int, claim: TrialClaim) -> str:
        def on_event(event: Event) -> None:
            claim.beat()
            self.on_event(seed, "", event)

        return stall(
            self._settings_of(seed), self.splits, self.runtime,
            stop=self.stop, clock=self.clock, on_event=on_event,
        )  # fmt: skip

    def _trial(self, seed: int, course: Course, branch: Branch, claim: TrialClaim) -> str:
        def on_event(event: Event) -> None:
            claim.beat()
            self.on_event(seed, branch.name, event)

        if self._is_over(seed, branch):  # by another process, while this one was looking
            return ""
        _, why = advance(course, branch, self.epochs, on_event)
        if not why and not self.keep_all:
            shutil.rmtree(course.root / branch.name, ignore_errors=True)
        return why

    def _is_done(self, seed: int) -> bool:
        return all(self._is_over(seed, branch) for branch in self.branches)

    def _is_over(self, seed: int, branch: Branch) -> bool:
        result = read_result(self._trials(seed), branch.name)
        return self.epochs in result.rungs or bool(result.lost)

    def _trials(self, seed: int) -> Path:
        return self.root / f"seed-{seed}" / "trials"

    def _settings_of(self, seed: int) -> TrainSettings:
        folder = self.root / f"seed-{seed}" / "base"
        run = replace(self.settings.run, seed=seed, checkpoint_dir=folder)
        return replace(self.settings, run=run)

    def _course(self, seed: int, base: Stalled) -> Course:
        start = StartPoint(
            settings=base.settings,
            lineage=base.checkpoint.lineage,
            position=base.checkpoint.position,
            images=len(self.splits.train),
            batchnorm=has_batchnorm(base.checkpoint),
        )
        return Course(
            root=self._trials(seed),
            path=base.path,
            checkpoint=base.checkpoint,
            start=start,
            splits=self.splits,
            runtime=self.runtime,
            epochs=self.epochs,
            stop=self.stop,
            clock=self.clock,
        )

    def _open(self) -> None:
        """Make the folder; refuse one that holds a study of other settings."""
        plain = to_plain(self.settings)
        del plain["run"], plain["data"]["num_workers"]
        images = [len(self.splits.train), len(self.splits.val)]
        now = json.loads(json.dumps({"settings": plain, "images": images}, default=str))
        make_folder(self.root)
        path = self.root / _STUDY
        try:
            held = json.loads(path.read_bytes())
        except (OSError, ValueError):
            write_whole(path, (json.dumps(now, indent=2) + "\n").encode())
            return
        if held != now:
            raise SettingsError(
                self.root,
                "it holds a study of other settings or images",
                "give its flags, remove the folder, or name another --work",
            )
