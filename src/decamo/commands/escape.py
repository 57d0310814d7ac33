"""``decamo escape``: race branches of one checkpoint and prove which gets off the plateau."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from decamo.commands.train import run as train
from decamo.data.waiting import StopAsked
from decamo.errors import DataError, SettingsError
from decamo.escape import Branch, Standing, standard_branches
from decamo.escape.claims import take
from decamo.escape.finish import begin_winner, outcome_of, write_outcome
from decamo.escape.original import original_of
from decamo.escape.plateau import TRIAL_EPOCHS
from decamo.escape.race import Race
from decamo.escape.session import begin_race, course_of
from decamo.escape.table import Outcome, outcome_text, plain_outcome
from decamo.escape.written import branches_of, only
from decamo.flags import Parser, check_run_outputs, chosen_settings, write_json
from decamo.nn.build import refuse_foreign
from decamo.report.console import Console
from decamo.settings import TrainSettings
from decamo.settings.duration import seconds_of
from decamo.storage import RunFolder, make_folder
from decamo.storage.outputs import Read
from decamo.storage.owner import own
from decamo.training.budget import Budget
from decamo.training.prepare import ear_of
from decamo.training.runtime import close_runtime, open_runtime
from decamo.training.stops import stop_requests
from decamo.training.supply import find_supply

__all__ = ["add_arguments", "run"]

_TRY_AGAIN = 75
_WINNER = ".winner"  # no branch has such a name
_OPTIONS = ("dataset_path", "checkpoint_dir", "device", "precision", "num_workers", "budget")


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo escape``."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="that is stuck")
    given: dict[str, Any] = {"default": argparse.SUPPRESS}
    data = parser.add_argument_group("the run (default: as in the checkpoint)")
    data.add_argument("--dataset-path", type=Path, nargs="+", metavar="PATH", **given)
    data.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N", **given)
    data.add_argument("--precision", choices=("auto", "fp32", "fp16", "bf16"), **given)
    data.add_argument("--num-workers", type=int, metavar="N", help="that read images", **given)
    data.add_argument(
        "--checkpoint-dir",
        type=Path,
        metavar="PATH",
        help="the race is in its folder escape, the winner goes on in it (default: the"
        " checkpoint's own folder)",
        **given,
    )
    race = parser.add_argument_group("the race")
    race.add_argument(
        "--branches",
        type=Path,
        metavar="FILE",
        help="race the branches of this TOML file, [branch.NAME] each, not the standard ones",
    )
    race.add_argument(
        "--only", nargs="+", default=(), metavar="NAME", help="of these, beside control and twin"
    )
    race.add_argument(
        "--trial-epochs",
        type=int,
        default=TRIAL_EPOCHS,
        metavar="N",
        help=f"of each branch (default {TRIAL_EPOCHS})",
    )
    race.add_argument(
        "--budget",
        metavar="TIME",
        help="stop and save before it is over, such as 2h; exit code 75, the same command goes on",
        **given,
    )
    race.add_argument("--keep-all", action="store_true", help="keep the folders of all trials")
    race.add_argument(
        "--continue",
        dest="goes_on",
        action="store_true",
        help="train the winner's whole plan afterwards, from CHECKPOINT",
    )
    race.add_argument("--json", type=Path, metavar="FILE", help="write the outcome here as well")


def run(args: argparse.Namespace) -> int:
    """Race; returns the exit code.

    0 at the end, 75 when the budget is spent, 128 + the number of the signal that stopped it.
    """
    began = time.monotonic()
    if args.trial_epochs < 1:
        raise SettingsError("--trial-epochs", f"got {args.trial_epochs}", "give at least 1")
    settings, checkpoint = _chosen(args)
    refuse_foreign(checkpoint["architecture"], args.checkpoint)
    branches_file = [Read("--branches", args.branches)] if args.branches else []
    check_run_outputs(args, settings, [Read("CHECKPOINT", args.checkpoint), *branches_file])
    runtime = open_runtime(settings.run.device, settings.run.precision)
    if runtime.world > 1:
        close_runtime()
        remedy = "start the same command once on each device instead: they share the trials"
        raise SettingsError("torchrun", f"got {runtime.world} processes for one trial", remedy)
    folder = RunFolder(settings.run.checkpoint_dir)
    make_folder(folder.root)
    words = settings.run.budget
    budget = Budget(words, seconds_of("budget", words), time.monotonic, began) if words else None
    with stop_requests() as asked, Console(sys.stdout, time.monotonic) as con:
        ear = ear_of(settings, lambda: asked.why() or (budget.over() if budget else ""), con.say)
        looking = con.progress("looking at the images")
        try:
            supply = find_supply(
                settings.data, folder.census, looking, checkpoint=checkpoint, ear=ear
            )
        except StopAsked as stopped:
            raise SettingsError(
                "--budget", f"{stopped.why} before the race began", "give more time"
            ) from stopped
        for note in supply.notes:
            con.say(note)
        course = course_of(
            folder.races,
            settings.run.resume_from or args.checkpoint,
            settings,
            checkpoint,
            supply,
            runtime,
            epochs=args.trial_epochs,
            stop=lambda: asked.why() or (budget.spent() if budget else ""),
            clock=time.monotonic,
            ear=ear_of(settings, ear.listen),
        )
        branches = _branches(args, course.standing)
        race = begin_race(course, branches, con, budget, keep_all=args.keep_all)
        asked.patient = True
        why = race.run()
    if why:
        print(f"stopped: {why}; to go on: the same command")
        return 128 + asked.number if asked.number else _TRY_AGAIN
    outcome = outcome_of(race)
    print(f"\n{outcome_text(outcome)}")
    write_outcome(race.course.root, outcome)
    write_json(args.json, plain_outcome(outcome))
    if not args.keep_all:
        race.clear([] if outcome.winner is None else [outcome.winner.branch])
    if not args.goes_on or outcome.winner is None:
        return 0
    return _go_on(args, race, outcome, folder, began)


def _chosen(args: argparse.Namespace) -> tuple[TrainSettings, dict[str, Any]]:
    given = {name: getattr(args, name) for name in _OPTIONS if hasattr(args, name)}
    home = given.setdefault("checkpoint_dir", args.checkpoint.parent)
    path = original_of(args.checkpoint, RunFolder(home).races)
    settings, checkpoint = chosen_settings(
        argparse.Namespace(config=None, recipe=None, resume_from=path, **given)
    )
    if checkpoint is None or not settings.data.dataset_path:
        raise DataError("--dataset-path", "not given", "name the folder of a data set")
    return settings, checkpoint


def _branches(args: argparse.Namespace, standing: Standing) -> tuple[Branch, ...]:
    standard = standard_branches(standing)
    if args.branches is None:
        return only(standard, args.only) if args.only else standard
    own = branches_of(args.branches)
    if args.only:
        taken = {b.name for b in own}
        return only([*(b for b in standard if b.name not in taken), *own], args.only)
    return (*only(standard, ()), *own)


def _go_on(
    args: argparse.Namespace, race: Race, outcome: Outcome, folder: RunFolder, began: float
) -> int:
    """Train the winner's whole plan, as ``decamo train --resume-from`` does."""
    claim = take(race.course.root, _WINNER, now=time.time(), clock=time.monotonic)
    if claim is None:
        print("another process trains the winner")
        return 0
    with claim, claim.beating(), own(folder.root, say=print):
        return _train_winner(args, race, outcome, folder, began)


def _train_winner(
    args: argparse.Namespace, race: Race, outcome: Outcome, folder: RunFolder, began: float
) -> int:
    start = begin_winner(race, outcome, folder)
    if start is None:
        print(f"complete: {folder.last} stands at the end of the winner's plan")
        return 0
    assert outcome.winner is not None
    print(f"\n{outcome.winner.branch}: its whole plan, from {start}")
    given = {name: getattr(args, name) for name in _OPTIONS if hasattr(args, name)}
    if "budget" in given:
        left = seconds_of("budget", given["budget"]) - (time.monotonic() - began)
        if left < 1:
            return _TRY_AGAIN
        given["budget"] = f"{left:.0f}s"
    given |= {"resume_from": start, "checkpoint_dir": folder.root}
    code = train(argparse.Namespace(config=None, recipe=None, dry_run=False, json=None, **given))
    if code:
        print("or the same `decamo escape` command: it finds the race over and goes on from here")
    return code
