"""``decamo train``: start a run, or go on with one under the same or another schedule."""

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from decamo.data.kept_memory import keep_freed_memory
from decamo.extras import heavy_imports
from decamo.flags import Parser, add_settings, given_by, write_json
from decamo.storage.outputs import Read, Written
from decamo.system import tell_torchrun

if TYPE_CHECKING:
    from decamo.api.training import TrainResult

__all__ = ["TRY_AGAIN", "add_arguments", "exit_code_of", "run"]

TRY_AGAIN = 75


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo train``."""
    add_settings(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="rehearse each stage, a validation, a save and a load; tell time and memory; end",
    )
    parser.add_argument(
        "--transplant",
        type=Path,
        metavar="CHECKPOINT",
        help="begin decamo's own network with the backbone of another one: of any program's"
        " checkpoint; an adopted one is the teacher as well",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome here as well")


def run(args: argparse.Namespace) -> int:
    """Train; returns the exit code.

    0 at the end of the plan, and where it was to stop at a plateau; 75 (EX_TEMPFAIL of sysexits.h:
    try again) when the budget is spent or data did not come, 128 + the number of the signal that
    stopped the run.
    """
    given = given_by(args)
    # What the store of processes that train together says in C++ of a dead one is said in a line.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    with heavy_imports():
        # torch, of which neither --help nor a slip in a flag has any use: decisions/0007
        from decamo.api.training import train_given
        from decamo.api.transplanting import transplanting

    keep_freed_memory(trains=True)
    if args.transplant is not None:
        given = transplanting(given, args.transplant, print)
    result = train_given(
        given,
        dry_run=args.dry_run,
        reads=[Read("--config", args.config)] if args.config else (),
        writes=[Written("--json", args.json)] if args.json else (),
    )
    flight = result.rehearsal
    if result.complete:
        print(f"complete: {result.complete} stands at the end of its plan")
    elif flight is not None:
        write_json(args.json, asdict(flight) | {"seconds": flight.seconds})
    else:
        write_json(args.json, result.outcome)
    if code := exit_code_of(result):
        tell_torchrun(result.stopped)
    return code


def exit_code_of(result: "TrainResult") -> int:
    """As ``run`` says."""
    if not result.stopped or result.plateau:
        return 0
    return 128 + result.signal if result.signal else TRY_AGAIN
