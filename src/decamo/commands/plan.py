"""``decamo plan``: the flags of ``train``, and what they mean, before a GPU hour is spent."""

import argparse
from pathlib import Path

from decamo.api.planning import plan_given
from decamo.flags import Parser, add_settings, given_by, write_json
from decamo.storage.outputs import Read, Written

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo plan``."""
    add_settings(parser)
    group = parser.add_argument_group("the plan")
    group.add_argument(
        "--images",
        type=int,
        metavar="N",
        help="training images (default: counted at a resume or in --dataset-path)",
    )
    group.add_argument("--devices", type=int, default=1, metavar="N", help="GPUs (default 1)")
    group.add_argument("--png", type=Path, metavar="FILE", help="draw the learning rates")
    group.add_argument(
        "--measure",
        action="store_true",
        help="time a micro-batch of each stage on this machine and count its memory",
    )
    group.add_argument("--json", type=Path, metavar="FILE", help="write the plan here as well")


def run(args: argparse.Namespace) -> int:
    """Print the plan; returns the exit code."""
    named = {"--png": args.png, "--json": args.json}
    laid = plan_given(
        given_by(args),
        images=args.images,
        devices=args.devices,
        measure=args.measure,
        reads=[Read("--config", args.config)] if args.config else (),
        writes=[Written(flag, path) for flag, path in named.items() if path is not None],
    )
    print(laid)
    if args.png and not laid.complete:
        print(f"\ndrawn: {laid.draw(args.png)}")
    write_json(args.json, laid.to_plain())
    return 0
