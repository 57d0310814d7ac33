"""The race: trial by trial, from wherever an earlier call or another process left it."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decamo.errors import SettingsError
from decamo.history import Event
from decamo.races.branch import Branch
from decamo.races.branch_checkpoint import RACE, digest_of, held_race
from decamo.races.results import Result, read_result
from decamo.races.start_point import StartPoint
from decamo.races.successive_halving import Heat, heat_of
from decamo.races.trial import Course, advance
from decamo.races.trial_claims import ClaimLost, TrialClaim, take
from decamo.races.trial_schedule import lineage_of, trial_settings
from decamo.storage import check_space, make_folder, write_whole

__all__ = ["Race", "open_race", "race_identity"]

_WAIT = 2.0  # seconds between two looks at what other processes do
_FILES = 3  # of a trial: last, last.previous, and a best one


@dataclass
class Race:
    """Branches of one checkpoint, in one folder.

    Attributes:
        course: what the trials share.
        branches: that run, in their order; the control first.
        keep_all: whether the folders of those that are out are kept.
        on_event: told the branch's name and every event of its trial.
        say: told a sentence.
        sleep: waits so many seconds.
    """

    course: Course
    branches: Sequence[Branch]
    keep_all: bool
    on_event: Callable[[str, Event], None]
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep

    def results(self) -> dict[str, Result]:
        """What is known of each branch, whoever found it out."""
        return {b.name: read_result(self.course.root, b.name) for b in self.branches}

    def run(self) -> str:
        """Race to the end; returns why it stopped before, if it did.

        Raises:
            DecamoError: the control cannot be trained; disk, data or settings.
        """
        told: set[str] = set()
        waited = False
        while True:
            heat = heat_of(self.results(), self.course.epochs)
            self._tidy(heat, told)
            if heat.over:
                return ""
            if why := self.course.stop():
                return why
            took, why = self._one(heat)
            if why:
                return why
            if not took:
                if not waited:
                    self.say(f"waiting for other processes: {', '.join(heat.todo)}")
                waited = True
                self.sleep(_WAIT)

    def clear(self, spare: Sequence[str]) -> None:
        """Remove the run folders of all branches but those in ``spare``; their results stay."""
        for branch in self.branches:
            if branch.name not in spare:
                shutil.rmtree(self.course.root / branch.name, ignore_errors=True)

    def _one(self, heat: Heat) -> tuple[bool, str]:
        """Train one trial that nobody else does; returns whether there was one, and why to stop."""
        named = {b.name: b for b in self.branches}
        for name in heat.todo:
            claim = take(self.course.root, name, now=time.time(), clock=self.course.clock)
            if claim is None:
                continue
            return True, self._train(named[name], heat.rung, claim)
        return False, ""

    def _train(self, branch: Branch, rung: int, claim: TrialClaim) -> str:
        def on_event(event: Event) -> None:
            claim.beat()
            self.on_event(branch.name, event)

        with claim:
            try:
                result, why = advance(self.course, branch, rung, on_event)
            except ClaimLost:
                self.say(f"{branch.name}: taken over by another process")
                return ""
        if result.lost:
            self.say(f"{branch.name}: out of the race: {result.lost}")
        return why

    def _tidy(self, heat: Heat, told: set[str]) -> None:
        out = heat.dropped.keys() - told
        for name in sorted(out):
            at = self.course.start.done + heat.dropped[name]
            self.say(f"{name}: out of the race, clearly behind after epoch {at}")
        told |= out
        if not self.keep_all:
            self.clear(heat.alive)


def open_race(course: Course, branches: Sequence[Branch]) -> bool:
    """Make the folder, or find it as an earlier call left it; every plan is laid before any trial.

    Returns:
        whether an earlier call began this race.

    Raises:
        SettingsError: the folder holds another race, or a branch's plan cannot be laid.
        StorageError: it cannot be written, or there is no room for the trials.
    """
    for branch in branches:
        settings = trial_settings(branch, course.start, course.epochs)
        _ = lineage_of(branch, settings, course.start, "").plan
    make_folder(course.root)
    path = course.root / RACE
    now = race_identity(course.path, course.start, branches, course.epochs)
    now["data set"] = course.splits.record.content
    if path.exists():
        held = held_race(course.root)
        if isinstance(held.get("data set"), list):  # races of before knew it by its path
            now["data set"] = [str(p) for p in course.start.settings.data.dataset_path]
        differing = [key for key in now if held.get(key) != now[key]]
        if differing:
            raise SettingsError(
                course.root,
                f"it holds a race of another {', '.join(differing)}",
                "give the flags of that race, remove the folder, or name another --checkpoint-dir",
            )
        return True
    check_space(course.root, len(branches) * _FILES * course.path.stat().st_size)
    write_whole(path, (json.dumps(now, indent=2) + "\n").encode())
    return False


def race_identity(
    path: Path, start: StartPoint, branches: Sequence[Branch], epochs: int
) -> dict[str, Any]:
    """What makes a race this one beside its images, by the words that tell two apart."""
    return {
        "checkpoint": digest_of(path),
        "position": {"epoch": start.done, "step": start.position.step},
        "number of --trial-epochs": epochs,
        "number of training images": start.images,
        "number of checkpoints averaged": start.snapshots,
        "set of branches": [b.to_plain() for b in branches],
    }
