"""``decamo adopt``: a run that another program began becomes a run here."""

import argparse
from pathlib import Path

from decamo.errors import SettingsError
from decamo.extras import heavy_imports
from decamo.flags import Parser, add_settings, given_by, write_json

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo adopt``."""
    parser.add_argument("checkpoint", type=Path, help="what the other program wrote")
    add_settings(parser)
    group = parser.add_argument_group("the run that it comes from")
    group.add_argument(
        "--log",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="what it wrote down: a log of any form, a CSV, a folder",
    )
    group.add_argument(
        "--epoch", type=int, metavar="N", help="epochs behind it (default: as the file or log says)"
    )
    group.add_argument(
        "--best-score", type=float, metavar="X", help="its best IoU in [0,1] (default: the file's)"
    )
    group.add_argument(
        "--images",
        type=int,
        metavar="N",
        help="training images in an epoch (default: counted in --dataset-path)",
    )
    group.add_argument("--out", type=Path, metavar="FOLDER", help="the run folder to make")
    group.add_argument("--json", type=Path, metavar="FILE", help="write what was done here as well")


def run(args: argparse.Namespace) -> int:
    """Adopt a checkpoint; returns the exit code."""
    if args.out is None:
        raise SettingsError("--out", "not given", "name the run folder to make")
    given = given_by(args)
    with heavy_imports():
        # torch, of which neither --help nor a slip in a flag has any use: decisions/0007
        from decamo.api.adopting import adopt_given

    adopted = adopt_given(
        args.checkpoint,
        given,
        out=args.out,
        logs=args.log,
        epoch=args.epoch,
        best_score=args.best_score,
        images=args.images,
    )
    print(adopted)
    write_json(args.json, adopted.to_plain())
    return 0
