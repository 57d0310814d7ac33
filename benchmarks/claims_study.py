"""All branches of all seeds, from wherever an earlier call left them."""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.claims_stalled import Stalled, held_stall, stall
from decamo.data.waiting import StopAsked
from decamo.errors import SettingsError, StorageError
from decamo.history import EpochRecord, Event
from decamo.races.branch import TRANSPLANT, Branch, standard_branches
from decamo.races.race import open_race
from decamo.races.session import course_of
from decamo.races.trial import Course, advance
from decamo.races.trial_files import Result, read_result
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage import make_folder, write_whole
from decamo.storage.owner_file import is_owner_file
from decamo.training.data_splits import DataSplits
from decamo.training.owning import own_in_time
from decamo.training.runtime import Runtime

__all__ = ["Study", "Trained", "training_clock"]

_STUDY = "study.json"


def training_clock(device: torch.device) -> Callable[[], float]:
    """Seconds of training on a device.

    On a processor they are this process's own, in which another program beside it does not count.
    """
    return time.process_time if device.type == "cpu" else time.monotonic


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

    Attributes:
        root: its folder; ``seed-N/base`` is a stalled run, ``seed-N/trials`` its branches.
        settings: of the stalled runs, the seed and the folder aside.
        branches: the control first.
        seeds: as many stalled runs.
        epochs: of a branch.
        splits: the images.
        runtime: device; one process.
        stop: asked between steps; a reason saves and ends the work.
        on_event: told the seed, the branch (empty for the stalled run) and every event.
        keep_all: whether the checkpoints of finished branches are kept.
        clock_on: the clock of the training seconds, by the device.
    """

    root: Path
    settings: TrainSettings
    branches: Sequence[Branch]
    seeds: int
    epochs: int
    splits: DataSplits
    runtime: Runtime
    stop: Callable[[], str]
    on_event: Callable[[int, str, Event], None]
    keep_all: bool = False
    clock_on: Callable[[torch.device], Callable[[], float]] = training_clock

    @property
    def device(self) -> str:
        """Type of the device that its runs are trained on; where some are, of those."""
        return str((self._held() or {}).get("device", self.runtime.device.type))

    def run(self) -> str:
        """Train all that is still to be trained; returns why it stopped before the end, if it did.

        Raises:
            SettingsError: the folder holds another study.
            DecamoError: a stalled run or a control cannot be trained; disk or data.
        """
        self.open()
        for seed in range(self.seeds):
            if why := self.stop() or self.base(seed):
                return why
            for branch in self.branches:
                if why := self.stop() or self.trial(seed, branch):
                    return why
        return ""

    def base(self, seed: int) -> str:
        """Train the stalled run of a seed, if it is still to be; why it stopped before its end."""
        if self.is_done(seed) or held_stall(self._settings_of(seed)) is not None:
            return ""
        return stall(
            self._settings_of(seed), self.splits, self.runtime,
            stop=self.stop, clock=self._clock(), on_event=partial(self.on_event, seed, ""),
        )  # fmt: skip

    def trial(self, seed: int, branch: Branch) -> str:
        """Train a branch, if it is still to be, likewise; the stalled run is there."""
        if self._is_over(seed, branch):
            return ""
        base = held_stall(self._settings_of(seed))
        if base is None:
            raise ValueError(f"want the stalled run of seed {seed} first")
        course = self._course(seed, base)
        open_race(course, self.branches)
        folder = course.root / branch.name
        try:
            # A twin that waits for the folder owns it when there is nothing left to be removed.
            with own_in_time(folder, stop=self.stop, say=course.ear.say) as owned:
                on_event = partial(self.on_event, seed, branch.name)
                if not self._is_over(seed, branch):  # as it is where a twin was first
                    whole = _with_teacher(branch, course)
                    _, why = advance(course, whole, self.epochs, on_event)
                    if why:
                        return why
                owned.check()
                if not self.keep_all:
                    _clear(folder)
        except StopAsked as asked:
            return str(asked)
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

    def is_done(self, seed: int) -> bool:
        """Whether all branches of a seed are trained to their end, or lost."""
        return all(self._is_over(seed, branch) for branch in self.branches)

    def _is_over(self, seed: int, branch: Branch) -> bool:
        result = read_result(self._trials(seed), branch.name)
        return self.epochs in result.rungs or bool(result.lost)

    def _clock(self) -> Callable[[], float]:
        return self.clock_on(self.runtime.device)

    def _trials(self, seed: int) -> Path:
        return self.root / f"seed-{seed}" / "trials"

    def _settings_of(self, seed: int) -> TrainSettings:
        folder = self.root / f"seed-{seed}" / "base"
        run = replace(self.settings.run, seed=seed, checkpoint_dir=folder)
        return replace(self.settings, run=run)

    def _course(self, seed: int, base: Stalled) -> Course:
        run = replace(base.settings.run, resume_from=base.path)
        return course_of(
            self._trials(seed),
            base.path,
            replace(base.settings, run=run),
            base.checkpoint,
            self.splits,
            self.runtime,
            epochs=self.epochs,
            stop=self.stop,
            clock=self._clock(),
            transplant=base.settings.model.backbone,
        )

    def open(self, *, trains: bool = True) -> None:
        """Make the folder, or find it as an earlier call of the same study left it.

        Args:
            trains: whether anything will be trained; where not, nothing is written, and it may
                have been trained on another device than this study's.

        Raises:
            SettingsError: it holds another study.
            StorageError: it cannot be read or written.
        """
        held, now = self._held(), self._identity()
        if held is not None:
            told = [key for key in now if trains or key != "device"]
            differing = [key for key in told if held.get(key) != now[key]]
            if differing:
                raise SettingsError(
                    self.root,
                    f"it holds a study that differs in {', '.join(differing)}",
                    "give its flags, remove the folder, or name another --work",
                )
        elif trains:
            make_folder(self.root)
            write_whole(self.root / _STUDY, (json.dumps(now, indent=2) + "\n").encode())

    def _identity(self) -> dict[str, Any]:
        """What makes a study this one, by the words that tell two apart; as JSON gives it back."""
        plain = to_plain(self.settings)
        del plain["run"], plain["data"]["num_workers"]
        now = {
            "settings": plain,
            "images": [len(self.splits.train), len(self.splits.val)],
            "trial epochs": self.epochs,
            "branches": [branch.to_plain() for branch in self.branches],
            "device": self.runtime.device.type,
        }
        found: dict[str, Any] = json.loads(json.dumps(now, default=str))
        return found

    def _held(self) -> dict[str, Any] | None:
        """What an earlier call wrote; None where none did.

        Raises:
            StorageError: it cannot be read.
        """
        path = self.root / _STUDY
        try:
            held = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from error
        except ValueError as error:
            raise _unreadable(path, "it holds no JSON") from error
        if not isinstance(held, dict):
            raise _unreadable(path, "it holds no study")
        return held


def _unreadable(path: Path, got: str) -> StorageError:
    return StorageError(path, got, "mend it, remove the folder, or name another --work")


def _with_teacher(branch: Branch, course: Course) -> Branch:
    """The branch; a transplant as a race has it, which names the checkpoint that teaches."""
    if branch.before != TRANSPLANT:
        return branch
    return next(b for b in standard_branches(course.start) if b.before == TRANSPLANT)


def _clear(folder: Path) -> None:
    """Remove all but the file that says whose the folder is."""
    for path in folder.iterdir():
        if is_owner_file(path):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
