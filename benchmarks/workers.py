"""Time of scoring a folder of maps with one process and with several."""

import argparse
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.workers_scaling import Scaling, compare_workers, write_pictures
from decamo.errors import SettingsError
from decamo.flags import Parser, write_json
from decamo.report import epoch_rows

__all__ = ["add_arguments", "run"]

_SMALLEST = 48  # px; coarser noise than that has no pixel


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks workers``."""
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="how many several are (2)"
    )
    parser.add_argument("--images", type=int, default=200, metavar="N", help="maps (200)")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(768, 1024), metavar=("H", "W"), help="px (768 1024)"
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    smallest = {"workers": 2, "images": 1, "repeats": 1}
    for name, least in smallest.items():
        if getattr(args, name) < least:
            raise SettingsError(f"--{name}", str(getattr(args, name)), f"give {least} or more")
    if min(args.size) < _SMALLEST:
        raise SettingsError("--size", f"{min(args.size)} px", f"give {_SMALLEST} or more")
    command = [sys.executable, "-m", "decamo.cli", "evaluate"]
    with tempfile.TemporaryDirectory() as root:
        folders = write_pictures(Path(root), tuple(args.size), args.images)
        scaling = compare_workers(*folders, args.workers, args.repeats, command)
    print(_scaling_text(scaling, args))
    write_json(args.json, asdict(scaling) | {k: getattr(args, k) for k in (*smallest, "size")})
    return 0


def _scaling_text(scaling: Scaling, args: argparse.Namespace) -> str:
    ways = {
        "scoring": scaling.scoring,
        "the command, start-up included": scaling.command,
        "processes that share nothing": scaling.machine,
    }
    header = ["way", "1 process s", f"{args.workers} processes s", "ratio", "quartiles"]
    rows = [
        [
            name,
            f"{way.one_s:.2f}",
            f"{way.many_s:.2f}",
            f"{way.ratio:.2f}",
            f"{way.ratio_low:.2f} to {way.ratio_high:.2f}",
        ]
        for name, way in ways.items()
    ]
    height, width = args.size
    an_image = 1000 * scaling.scoring.one_s / args.images
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = scaling.scoring.ratio / scaling.machine.ratio
    return (
        f"{epoch_rows(header, rows)}\n"
        f"{args.images} maps of {height}x{width}, in turn, median of {args.repeats} rounds; {cores}"
        f" cores, which others may use too\n"
        f"scoring gets {share:.0%} of what the machine gave to processes that share nothing\n"
        f"an image takes {an_image:.2f} ms to score and {scaling.feeding_ms:.2f} ms of CPU to hand"
        " out"
    )
