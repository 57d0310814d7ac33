"""``decamo escape``: race branches of one checkpoint and prove which gets off the plateau."""

import argparse
from pathlib import Path
from typing import Any

from decamo.api.race_choice import RaceChoice
from decamo.commands.train import TRY_AGAIN, exit_code_of
from decamo.data.kept_memory import keep_freed_memory
from decamo.extras import heavy_imports
from decamo.flags import Parser, add_network, add_place, options_given, place_given, write_json
from decamo.races.outcome_table import plain_outcome
from decamo.races.plateau import TRIAL_EPOCHS
from decamo.storage.outputs import Written

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo escape``."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="that is stuck")
    given: dict[str, Any] = {"default": argparse.SUPPRESS}
    data = parser.add_argument_group("the run (default: as in the checkpoint)")
    data.add_argument("--dataset-path", type=Path, nargs="+", metavar="PATH", **given)
    data.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N", **given)
    data.add_argument("--precision", choices=("auto", "fp32", "fp16", "bf16"), **given)
    data.add_argument("--num-workers", type=int, metavar="N", help="that read images", **given)
    add_network(data.add_argument, **given)
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
    add_place(parser, "trial")


def run(args: argparse.Namespace) -> int:
    """Race; returns the exit code.

    0 at the end, 75 when the budget is spent, 128 + the number of the signal that stopped it.
    """
    raced = (args.branches, args.only, args.trial_epochs, args.keep_all)
    choice = RaceChoice(*raced, *place_given(args, "trial"))
    options = options_given(args)
    with heavy_imports():
        # torch, of which neither --help nor a slip in a flag has any use: decisions/0007
        from decamo.api.racing import escape_checkpoint, train_winner

    keep_freed_memory(trains=True)
    result = escape_checkpoint(
        args.checkpoint,
        options,
        choice,
        writes=[Written("--json", args.json)] if args.json else (),
    )
    if result.outcome is None:
        print(f"stopped: {result.stopped}; to go on: the same command")
        return 128 + result.signal if result.signal else TRY_AGAIN
    print(f"\n{result}")
    write_json(args.json, plain_outcome(result.outcome))
    if not args.goes_on or not result.winner:
        return 0
    trained = train_winner(result, print)
    code = 0 if trained is None else exit_code_of(trained)
    if code:
        print("or the same `decamo escape` command: it finds the race over and goes on from here")
    return code
