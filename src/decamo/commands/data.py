"""``decamo data``: what concerns data sets as such."""

import argparse
import sys
from pathlib import Path

from rich.progress import Progress

from decamo.data.scenes import write_scenes
from decamo.flags import Parser

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo data``."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    scenes = verbs.add_parser(
        "make-scenes", help="write procedural camouflage in the layout of COD10K-v3"
    )
    scenes.add_argument("out", type=Path, help="folder to write to")
    scenes.add_argument("--train", type=int, default=240, metavar="N", help="training images (240)")
    scenes.add_argument("--test", type=int, default=60, metavar="N", help="test images (60)")
    scenes.add_argument("--size", type=int, default=128, metavar="N", help="side in px (128)")
    scenes.add_argument(
        "--noncam-share", type=float, default=0.1, metavar="X", help="share without object (0.1)"
    )
    scenes.add_argument("--seed", type=int, default=0, metavar="N", help="which scenes (0)")


def run(args: argparse.Namespace) -> int:
    """Make scenes; returns the exit code."""
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        task = progress.add_task("scenes", total=args.train + args.test)
        write_scenes(
            args.out,
            train=args.train,
            test=args.test,
            size=args.size,
            noncam_share=args.noncam_share,
            seed=args.seed,
            on_progress=lambda done, _: progress.update(task, completed=done),
        )
    print(f"{args.train} training and {args.test} test scenes in {args.out}")
    return 0
