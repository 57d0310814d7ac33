"""Time of all measures of an image beside pysodmetrics."""

import argparse
from dataclasses import asdict
from pathlib import Path

from benchmarks.metrics_compiled import Compiled, compare_compiled
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
    parser.add_argument("--compiled", action="store_true",
        help="instead: what a loop compiled by numba would bring and cost")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    if args.repeats < 1:
        raise SettingsError("--repeats", str(args.repeats), "give 1 or more")
    if args.compiled:
        found = compare_compiled(SIZES, args.repeats)
        compiled = {f"{h}x{w}": one for (h, w), one in zip(SIZES, found, strict=True)}
        print("\n".join(_told(name, one) for name, one in compiled.items()))
        write_json(args.json, {name: asdict(one) for name, one in compiled.items()})
        return 0
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


def _told(name: str, found: Compiled) -> str:
    opencv = (
        "" if found.opencv_ms is None else f", OpenCV {found.opencv_ms:.2f} for distances alone"
    )
    return (
        f"{name}, faint ground, offsets and weights of the weighted F: NumPy"
        f" {found.numpy_ms:.2f} ms an image, numba {found.numba_ms:.2f}{opencv}."
        f" A process pays {found.import_s:.1f} s to import numba and"
        f" {found.load_s:.1f} s at its first call, and is ahead after"
        f" {found.images:,.0f} images."
    )
