"""The race, trial by trial, from wherever an earlier call left it, and its end."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from decamo.checkpoint import Checkpoint
from decamo.checkpoint.load_save import load_checkpoint, save_checkpoint
from decamo.errors import CheckpointError, SettingsError
from decamo.history import Event
from decamo.races.branch import CONTROL, TRANSPLANT, TWIN, Branch
from decamo.races.branch_checkpoint import RACE, digest_of, held_race
from decamo.races.explanation import RaceFacts, explain_race, refuted_causes
from decamo.races.outcome_table import RaceOutcome, answer, plain_outcome
from decamo.races.start_point import StartPoint
from decamo.races.successive_halving import (
    HalvingRound,
    full_settings,
    halving_round,
    lineage_of,
    trial_settings,
    verdict_of,
)
from decamo.races.trial import Course, advance, branch_state
from decamo.races.trial_files import LostKind, Result, read_result
from decamo.report.race_section import OUTCOME
from decamo.schedule import Lineage, raced
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage import RunFolder, check_space, make_folder, previous_of, write_whole

__all__ = [
    "Race",
    "Trials",
    "begin_winner",
    "one_by_one",
    "open_race",
    "race_identity",
    "race_outcome",
    "stay",
    "write_outcome",
]

_FILES = 3  # of a trial: last, last.previous, and a best one


Trials = Callable[
    [Course, Sequence[Branch], int, Callable[[str, Event], None]], Iterator[tuple[Result, str]]
]
"""Trains each of some branches up to a rung; gives what is known of it then, and why it stopped
before, as :func:`~decamo.races.trial.advance` does."""


def one_by_one(
    course: Course, branches: Sequence[Branch], rung: int, on_event: Callable[[str, Event], None]
) -> Iterator[tuple[Result, str]]:
    """:data:`Trials` in this process."""
    for branch in branches:
        if course.stop():
            return
        result, why = advance(course, branch, rung, partial(on_event, branch.name))
        yield result, why
        if why:
            return


@dataclass
class Race:
    """Branches of one checkpoint, in one folder.

    Attributes:
        course: what the trials share.
        branches: that run, in their order; the control first.
        keep_all: whether the folders of those that are out are kept.
        on_event: told the branch's name and every event of its trial.
        say: told a sentence.
        trials: trains the branches.
    """

    course: Course
    branches: Sequence[Branch]
    keep_all: bool
    on_event: Callable[[str, Event], None]
    say: Callable[[str], None]
    trials: Trials = one_by_one

    def results(self) -> dict[str, Result]:
        """What is known of each branch."""
        return {b.name: read_result(self.course.root, b.name) for b in self.branches}

    def run(self) -> str:
        """Race to the end; returns why it stopped before, if it did.

        Raises:
            DecamoError: the control cannot be trained; disk, data or settings.
        """
        told: set[str] = set()
        while True:
            current = halving_round(self.results(), self.course.epochs)
            self._tidy(current, told)
            if current.over:
                return ""
            if why := self.course.stop() or self._rung(current):
                return why

    def _rung(self, current: HalvingRound) -> str:
        """Train all that have not come so far; returns why one of them stopped before."""
        todo = [branch for branch in self.branches if branch.name in current.todo]
        first = ""
        for result, why in self.trials(self.course, todo, current.rung, self.on_event):
            if result.lost:
                self.say(f"{result.name}: out of the race: {result.lost}")
            first = first or why
        return first

    def clear(self, spare: Sequence[str]) -> None:
        """Remove the run folders of all branches but those in ``spare``; their results stay."""
        for branch in self.branches:
            if branch.name not in spare:
                shutil.rmtree(self.course.root / branch.name, ignore_errors=True)

    def _tidy(self, current: HalvingRound, told: set[str]) -> None:
        out = current.dropped.keys() - told
        for name in sorted(out):
            at = self.course.start.done + current.dropped[name]
            self.say(f"{name}: out of the race, clearly behind after epoch {at}")
        told |= out
        if not self.keep_all:
            self.clear(current.alive)


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


def race_outcome(race: Race) -> RaceOutcome:
    """What a race that is over has found.

    Raises:
        ValueError: it is not over.
    """
    results, start = race.results(), race.course.start
    current = halving_round(results, race.course.epochs)
    verdict = verdict_of(results, current)
    control = results[CONTROL]
    before = [record.loss for record in race.course.checkpoint.history]
    since = [rung.loss for rung in control.rungs.values() if rung.loss is not None]
    facts = RaceFacts(
        rate=start.rate,
        peak=start.peak,
        highest=start.highest,
        ended=start.ended,
        losses=(*before, *since),
        ious=tuple(control.rungs[current.rung].ious.values()),
        epochs=race.course.epochs,
        diverged={
            name: str(result.lost)
            for name, result in results.items()
            if result.lost and result.lost.kind is LostKind.DIVERGED
        },
        dropped=current.dropped,
    )
    may_win = [b.name for b in race.branches if b.name not in (CONTROL, TWIN)]
    winner = verdict.winner_among(may_win)
    meanings = explain_race(verdict, facts)
    refuted = refuted_causes(verdict, facts)
    return RaceOutcome(race.branches, results, current, verdict, winner, meanings, start, refuted)


def begin_winner(race: Race, outcome: RaceOutcome, folder: RunFolder) -> Path | None:
    """The checkpoint from which the winner's whole plan is trained, as ``decamo train`` would.

    The first time it is written, ``escaped.pth``: the original checkpoint with the winner's segment
    in its lineage, whose reason names the race. The original is kept if the run would write
    over it.

    Args:
        race: that is over.
        outcome: of it, with a winner.
        folder: of the run to come.

    Returns:
        the checkpoint to go on from; the run's own where it is under way, None where it is done.

    Raises:
        SettingsError: its plan cannot be laid.
        StorageError: it cannot be written.
    """
    assert outcome.winner is not None
    course = race.course
    branch = next(b for b in race.branches if b.name == outcome.winner.branch)
    settings = full_settings(branch, course.start)
    start = folder.escaped
    settings = replace(
        settings, run=replace(settings.run, checkpoint_dir=folder.root, resume_from=start)
    )
    kept = folder.protect(course.path, course.start.done)
    if branch.before == TRANSPLANT and kept is not None:  # the run writes over its teacher
        settings = replace(settings, optimise=replace(settings.optimise, teacher=kept))
    state = branch_state(course, branch, settings, _why(race, outcome))
    segments = state.lineage.segments
    chosen = replace(segments[-1], asked=_asked(course.start, settings))
    for path in (folder.last, previous_of(folder.last)):
        held = _held(path)
        if held is not None and chosen in held.lineage.segments:
            return path if held.position.epoch < held.lineage.plan.last_epoch else None
    save_checkpoint(start, replace(state, lineage=Lineage((*segments[:-1], chosen))))
    return start


def stay(race: Race, outcome: RaceOutcome, folder: RunFolder) -> Path:
    """Write into the lineage of the run's newest checkpoint that the race changed nothing.

    Args:
        race: that is over, of this very checkpoint.
        outcome: of it, without a winner.
        folder: of the run.

    Returns:
        the checkpoint.

    Raises:
        StorageError: it cannot be written.
    """
    state, start = race.course.checkpoint, race.course.start
    lineage = raced(start.lineage, start.position, _why(race, outcome))
    save_checkpoint(folder.last, replace(state, lineage=lineage))
    return folder.last


def write_outcome(root: Path, outcome: RaceOutcome) -> None:
    """Write it into the race's folder, for reports; the race itself never reads it again.

    Raises:
        StorageError: it cannot be written.
    """
    write_whole(root / OUTCOME, (json.dumps(plain_outcome(outcome), indent=2) + "\n").encode())


def _why(race: Race, outcome: RaceOutcome) -> str:
    return f"escape, {len(race.branches)} trials of {race.course.epochs} epochs: {answer(outcome)}"


def _asked(start: StartPoint, chosen: TrainSettings) -> dict[str, dict[str, Any]]:
    """What the flags ask for of all that the winner chose otherwise, now or at an earlier race."""
    before, after = to_plain(start.settings), to_plain(chosen)
    asked: dict[str, dict[str, Any]] = {}
    for section in ("schedule", "optimise"):
        differs = {k: v for k, v in before[section].items() if after[section][k] != v}
        asked[section] = differs | dict(start.lineage.last.asked.get(section, {}))
    return asked


def _held(path: Path) -> Checkpoint | None:
    try:
        return load_checkpoint(path)
    except CheckpointError:
        return None
