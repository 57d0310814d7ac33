"""Time of all measures of an image beside pysodmetrics."""

import argparse
from pathlib import Path

from benchmarks.metrics_speed import SHARES, compare_speed
from decamo.errors import SettingsError
from decamo.flags import Parser, write_json
from decamo.report import epoch_rows

__all__ = ["GROUNDS", "SIZES", "add_arguments", "run"]

SIZES = ((384, 384), (768, 1024))
GROUNDS = ("black", "faint")


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks metrics``."""
    parser.add_argument("--repeats", type=int, default=15, metavar="N", help="rounds of all images")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    if args.repeats < 1:
        raise SettingsError("--repeats", str(args.repeats), "give 1 or more")
    results = {
        f"{h}x{w} {ground}": compare_speed((h, w), args.repeats, faint=ground == "faint")
        for h, w in SIZES
        for ground in GROUNDS
    }
    rows = [
        [
            *name.split(),
            f"{r['decamo_ms']:.2f}",
            f"{r['pysodmetrics_ms']:.2f}",
            f"{r['ratio']:.1f}",
            f"{r['ratio_low']:.1f} to {r['ratio_high']:.1f}",
        ]
        for name, r in results.items()
    ]
    columns = ["size", "ground", "decamo ms", "pysodmetrics ms", "ratio", "quartiles"]
    print(epoch_rows(columns, rows))
    print(
        f"an image, median of {args.repeats} rounds over {len(SHARES)} 8-bit maps with objects of "
        f"{', '.join(f'{s:.0%}' for s in SHARES)}; one process; decamo adds boundary IoU"
    )
    print("ground: black but for false alarms, or faintly grey all over, as trained networks do it")
    write_json(args.json, results)
    return 0
