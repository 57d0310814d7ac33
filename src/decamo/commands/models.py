"""``decamo models``: which of timm's networks serve as a backbone, and what they cost."""

import argparse
from pathlib import Path

from decamo.api.backbones import models
from decamo.flags import Parser, write_json
from decamo.storage.outputs import Written, check_outputs

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo models``."""
    parser.add_argument(
        "pattern", nargs="?", default="*", metavar="PATTERN",
        help="names such as 'swin*', or a part of them (default: all)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything here as well")


def run(args: argparse.Namespace) -> int:
    """List and print; returns the exit code."""
    check_outputs([], [Written("--json", args.json)] if args.json else [])
    found = models(args.pattern)
    print(found)
    write_json(args.json, found.to_plain())
    return 0
