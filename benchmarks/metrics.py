"""Time of all measures of an image beside pysodmetrics."""

import argparse
from dataclasses import asdict
from pathlib import Path

from benchmarks.metrics_compiled import PROCESSES, OfASet, compare_compiled
from benchmarks.metrics_speed import compare_speed
from benchmarks.metrics_way import GROUNDS, SHARES
from decamo.errors import SettingsError
from decamo.flags import Parser, write_json
from decamo.report import epoch_rows

__all__ = ["METRICS_GOAL", "SIZES", "add_arguments", "run"]

SIZES = ((384, 384), (768, 1024))
METRICS_GOAL = 12


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks metrics``."""
    parser.add_argument("--repeats", type=int, default=15, metavar="N", help="rounds of all images")
    parser.add_argument("--compiled", action="store_true",
        help="instead: what a loop compiled by numba would make of whole test sets")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    if args.repeats < 1:
        raise SettingsError("--repeats", str(args.repeats), "give 1 or more")
    if args.compiled:
        compiled = {
            f"{h}x{w} {name}": found
            for h, w in SIZES
            for name, found in compare_compiled((h, w), args.repeats, METRICS_GOAL).items()
        }
        print(_sets(compiled))
        write_json(args.json, {name: asdict(one) for name, one in compiled.items()})
        return 0
    results = {
        f"{h}x{w} {ground}": compare_speed((h, w), args.repeats, ground)
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
        f"{', '.join(f'{s:.0%}' for s in SHARES)}; a process each; decamo adds boundary IoU"
    )
    print("ground: black but for false alarms, or faintly grey all over, as trained networks do it")
    write_json(args.json, results)
    return 0


def _sets(compiled: dict[str, OfASet]) -> str:
    columns = ["size", "set", "pysodmetrics s", "decamo s", "ratio", "with a compiled loop s",
               "ratio", f"ms left at {METRICS_GOAL}", "ms of the loop alone"]  # fmt: skip
    rows = [
        [
            *name.split(),
            f"{one.pysodmetrics_s:.2f}",
            f"{one.decamo_s:.2f}",
            f"{one.pysodmetrics_s / one.decamo_s:.1f}",
            f"{one.with_loop_s:.2f}",
            f"{one.pysodmetrics_s / one.with_loop_s:.1f}",
            f"{one.left_ms:.2f}",
            f"{one.loop_ms:.2f}",
        ]
        for name, one in compiled.items()
    ]
    return (
        f"{epoch_rows(columns, rows)}\n"
        f"seconds of one of {PROCESSES} processes that measure a test set: CPU until it can, then"
        " its images, timed one process at a time, faint ground; ms left: what a ratio of"
        f" {METRICS_GOAL} leaves for all measures of an image once numba is ready"
    )
