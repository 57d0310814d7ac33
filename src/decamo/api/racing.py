"""Race branches of one checkpoint: one call, also for the winner's whole plan afterwards."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from decamo.api.race_choice import RaceChoice, branches_in
from decamo.api.training import TrainResult, train_given
from decamo.api.transplanting import known_backbone
from decamo.checkpoint import Checkpoint
from decamo.cluster import Share, where_of
from decamo.cluster.place import place_of
from decamo.cluster.tasks import Place
from decamo.data.waiting import StopAsked
from decamo.errors import DataError, SettingsError
from decamo.nn.build import is_own, refuse_unbuildable
from decamo.nn.networks import check_network
from decamo.races.branch import TRANSPLANT
from decamo.races.branch_checkpoint import original_of
from decamo.races.outcome_table import RaceOutcome, outcome_text
from decamo.races.plateau import TRIAL_EPOCHS
from decamo.races.race import Race, begin_winner, race_outcome, write_outcome
from decamo.races.remote_trials import RemoteTrials
from decamo.races.session import begin_race, course_of
from decamo.report.console import Console
from decamo.settings import TrainSettings
from decamo.settings.plain import merged, to_plain
from decamo.settings.words import seconds_of
from decamo.stop_signals import stop_requests
from decamo.storage import RunFolder, make_folder
from decamo.storage.outputs import Read, Written
from decamo.storage.owner import own
from decamo.training.choosing import (
    Given,
    check_run_outputs,
    choose_settings,
    given_of,
    insist_on_named_code,
)
from decamo.training.data_splits import DataSplits, find_splits
from decamo.training.prepare import ear_of
from decamo.training.runtime import Runtime, open_runtime, world_size
from decamo.training.stops import Budget, Stop, StopEars, StopKind
from decamo.training.unlabelled import join_unlabelled

__all__ = ["EscapeResult", "escape", "escape_checkpoint", "train_winner"]

_IDLE = ("cpu", "fp32")  # of a process whose trials run elsewhere


@dataclass(frozen=True)
class EscapeResult:
    """What came of a race.

    Attributes:
        folder: of the run that the winner goes on in.
        outcome: the table of all branches and the winner, if any; None where it was stopped.
        stop: why it ended before its end; None for at its end.
        signal: number of the signal that stopped it; 0 for none.
        race: that was run; what :func:`train_winner` needs.
        given: options of the run.
        began: when, in seconds of the monotonic clock.
    """

    folder: RunFolder
    outcome: RaceOutcome | None
    stop: Stop | None
    signal: int
    race: Race
    given: Given
    began: float

    @property
    def stopped(self) -> str:
        """Why before its end, for people; empty for at its end."""
        return self.stop.why if self.stop else ""

    @property
    def winner(self) -> str:
        """Name of the winning branch; empty for none."""
        found = self.outcome and self.outcome.winner
        return found.branch if found else ""

    def train(self) -> TrainResult | None:
        """Train the winner's whole plan, from the checkpoint that was stuck.

        Returns:
            what came of it; None without a winner, or where it is done.
        """
        return train_winner(self, print) if self.winner else None

    def __str__(self) -> str:
        return outcome_text(self.outcome) if self.outcome else f"stopped: {self.stopped}"


def escape(
    checkpoint: str | Path,
    dataset_path: str | Path | Sequence[str | Path] | None = None,
    *,
    branches: str | Path | None = None,
    only: Sequence[str] = (),
    trial_epochs: int = TRIAL_EPOCHS,
    keep_all: bool = False,
    on: str | None = None,
    cpus_per_trial: float | None = None,
    gpus_per_trial: float | None = None,
    **options: Any,
) -> EscapeResult:
    """Race branches of a checkpoint that is stuck, and prove which gets off the plateau.

    Args:
        checkpoint: that is stuck.
        dataset_path: folders of data sets (default: those of the run).
        branches: a TOML file of branches that race instead of the standard ones.
        only: names of the branches that race, beside control and twin.
        trial_epochs: of each branch.
        keep_all: whether the folders of all trials stay.
        on: ``ray`` or ``ray:ADDRESS``: trials run there, many at once, with the same scores; None
            for one by one in this process.
        cpus_per_trial: cores that a trial reserves on Ray (default: one beside a GPU, else one a
            thread of this process).
        gpus_per_trial: likewise, also a part of one (default: one where the cluster has any).
        options: of the run: ``checkpoint_dir``, ``device``, ``precision``, ``num_workers``,
            ``budget``; others are the checkpoint's own.

    Raises:
        DecamoError: the checkpoint, the data or the options cannot be used.

    Example:
        >>> raced = decamo.escape(checkpoint, only=["rate-x3"], trial_epochs=1)
        masks of scenes: 0/255 in 14, ...
        >>> sorted(raced.outcome.results)
        ['control', 'rate-x3', 'twin']
        >>> raced.winner or "none"
        'none'
    """
    if dataset_path is not None:
        options["dataset_path"] = dataset_path
    choice = RaceChoice(
        Path(branches) if branches else None,
        only,
        trial_epochs,
        keep_all,
        where_of(on),
        Share(cpus_per_trial, gpus_per_trial),
    )
    return escape_checkpoint(Path(checkpoint), given_of(**options), choice)


def escape_checkpoint(
    checkpoint: Path,
    given: Given,
    choice: RaceChoice,
    *,
    reads: Sequence[Read] = (),
    writes: Sequence[Written] = (),
) -> EscapeResult:
    """Race branches of a checkpoint on an equal budget, in the folder ``escape`` of its run.

    Args:
        checkpoint: that is stuck.
        given: options of the run; those left out are the checkpoint's own.
        choice: what is raced.
        reads: files that the caller reads as well; nothing is written over them.
        writes: files that the caller will write.

    Raises:
        DecamoError: the checkpoint, the data or the options cannot be used.
    """
    began = time.monotonic()
    settings, held = _chosen(checkpoint, given)
    given = merged(given, {"run": {"checkpoint_dir": settings.run.checkpoint_dir}})
    refuse_unbuildable(held.architecture, checkpoint)
    insist_on_named_code(given, to_plain(settings), checkpoint)
    check_network(settings.model)
    branches_file = [Read("--branches", choice.branches)] if choice.branches else []
    check_run_outputs(settings, [Read("CHECKPOINT", checkpoint), *branches_file, *reads], writes)
    _insist_on_one_process()
    folder = RunFolder(settings.run.checkpoint_dir)
    make_folder(folder.races)
    words = settings.run.budget
    budget = Budget(words, seconds_of("budget", words), time.monotonic, began) if words else None
    with own(folder.races, say=print), _place(choice, folder, settings) as place:
        race, stop, signal = _raced(checkpoint, settings, held, choice, budget, place)
    if stop is not None:
        return EscapeResult(folder, None, stop, signal, race, given, began)
    outcome = race_outcome(race)
    write_outcome(race.course.root, outcome)
    if not choice.keep_all:
        race.clear([] if outcome.winner is None else [outcome.winner.branch])
    return EscapeResult(folder, outcome, None, 0, race, given, began)


def _insist_on_one_process() -> None:
    world = world_size()
    if world > 1:
        remedy = "start the command once, with --on ray: trials then run on all devices at once"
        raise SettingsError("torchrun", f"got {world} processes for one trial", remedy)


def _place(
    choice: RaceChoice, folder: RunFolder, settings: TrainSettings
) -> AbstractContextManager[Place]:
    run = settings.run
    return place_of(
        choice.on, choice.share, folder.races,
        device=run.device, precision=run.precision, threads=torch.get_num_threads(),
    )  # fmt: skip


def _raced(
    checkpoint: Path,
    settings: TrainSettings,
    held: Checkpoint,
    choice: RaceChoice,
    budget: Budget | None,
    place: Place,
) -> tuple[Race, Stop | None, int]:
    """The race, why it stopped before its end, if it did, and the number of the signal."""
    folder, ears = RunFolder(settings.run.checkpoint_dir), StopEars()
    runtime = open_runtime(
        *((settings.run.device, settings.run.precision) if place.here else _IDLE)
    )
    with stop_requests() as asked, Console(sys.stdout, time.monotonic) as con:
        over = {StopKind.BUDGET: budget.over} if budget else {}
        spent = {StopKind.BUDGET: budget.spent} if budget and place.here else over

        def waiting() -> str:
            return ears.ask({StopKind.SIGNAL: asked.why, **over})

        splits = _looked_at(settings, held, folder, runtime, con, waiting)
        course = course_of(
            folder.races,
            settings.run.resume_from or checkpoint,
            settings,
            held,
            splits,
            runtime,
            epochs=choice.trial_epochs,
            stop=lambda: ears.ask({StopKind.SIGNAL: asked.why, **spent}),
            clock=time.monotonic,
            ear=ear_of(settings, waiting),
            transplant=""
            if is_own(held.architecture)
            else known_backbone(held.architecture, held.weights),
        )
        branches = branches_in(choice, course.start)
        race = begin_race(course, branches, con, budget, keep_all=choice.keep_all)
        if not place.here:
            heard = budget.on_piece if budget else lambda _seconds: None
            race.trials = RemoteTrials(
                place.runner, place.device, settings.run.precision, con.say, heard
            )
        asked.patient = True
        why = race.run()
    stop = Stop(ears.heard.kind if ears.heard else StopKind.DATA, why) if why else None
    return race, stop, asked.number


def _looked_at(
    settings: TrainSettings,
    held: Checkpoint,
    folder: RunFolder,
    runtime: Runtime,
    con: Console,
    waiting: Callable[[], str],
) -> DataSplits:
    ear, looking = ear_of(settings, waiting, con.say), con.progress("looking at the images")
    try:
        splits = find_splits(settings.data, folder.census, looking, checkpoint=held, ear=ear)
        splits = join_unlabelled(
            splits, settings, folder, runtime, held,
            ear=ear, on_progress=con.progress("labelling the photographs"),
        )  # fmt: skip
    except StopAsked as stopped:
        raise SettingsError(
            "--budget", f"{stopped.why} before the race began", "give more time"
        ) from stopped
    for note in splits.notes:
        con.say(note)
    return splits


def _chosen(checkpoint: Path, given: Given) -> tuple[TrainSettings, Checkpoint]:
    home = given.get("run", {}).get("checkpoint_dir", checkpoint.parent)
    path = original_of(checkpoint, RunFolder(Path(home)).races)
    settings, held = choose_settings(
        merged(given, {"run": {"resume_from": path, "checkpoint_dir": home}})
    )
    if held is None or not settings.data.dataset_path:
        raise DataError("--dataset-path", "not given", "name the folder of a data set")
    return settings, held


def train_winner(result: EscapeResult, say: Callable[[str], None]) -> TrainResult | None:
    """Train the winner's whole plan, as a resume from the checkpoint would.

    Args:
        result: of a race with a winner.
        say: takes a line for people.

    Returns:
        what came of it; None where it is done.

    Raises:
        FolderInUse: another process trains in the folder.
    """
    with own(result.folder.root, say=say):
        return _train_winner(result, say)


def _train_winner(result: EscapeResult, say: Callable[[str], None]) -> TrainResult | None:
    outcome, folder = result.outcome, result.folder
    assert outcome is not None
    start = begin_winner(result.race, outcome, folder)
    if start is None:
        say(f"complete: {folder.last} stands at the end of the winner's plan")
        return None
    say(f"\n{result.winner}: its whole plan, from {start}")
    run = dict(result.given.get("run", {})) | {"resume_from": start, "checkpoint_dir": folder.root}
    if run.get("budget"):
        left = seconds_of("budget", run["budget"]) - (time.monotonic() - result.began)
        if left < 1:
            return TrainResult(folder, stop=Stop(StopKind.BUDGET, "the budget is spent"))
        run["budget"] = f"{left:.0f}s"
    given = _of_the_winner(result)
    return train_given(merged(given, {"run": run}))


def _of_the_winner(result: EscapeResult) -> Given:
    """What was given; where a transplant won, the network that was named is the teacher now."""
    branch = next(b for b in result.race.branches if b.name == result.winner)
    if branch.before != TRANSPLANT:
        return result.given
    named = {"teacher_network": branch.changes["optimise"]["teacher_network"]}
    others = {k: v for k, v in result.given.items() if k != "model"}
    return merged(others, {"optimise": named})
