"""The diagnosis held against made-up runs whose true state is known."""

import argparse
from pathlib import Path

from benchmarks.diagnosis_confusion import Confusion, confuse
from decamo.errors import SettingsError
from decamo.flags import Parser, write_json
from decamo.report import epoch_rows

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks diagnosis``."""
    parser.add_argument("--curves", type=int, default=200, metavar="N", help="runs of each sort")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of their making")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    if args.curves < 1:
        raise SettingsError("--curves", str(args.curves), "give 1 or more")
    if args.seed < 0:
        raise SettingsError("--seed", str(args.seed), "give 0 or more")
    found = confuse(args.curves, args.seed)
    header = ["sort", *found.columns, "recall", "alarmed"]
    rows = [
        [
            sort,
            *(str(counts.get(kind, 0)) for kind in found.columns),
            f"{found.recall(sort):.1%}",
            f"{found.alarmed[sort] / args.curves:.1%}",
        ]
        for sort, counts in found.verdicts.items()
    ]
    print(epoch_rows(header, rows))
    print(
        f"{args.curves} runs of each sort; false alarms on healthy ones {found.false_alarms:.1%}\n"
    )
    borders = [
        [
            f"{low:+.3f} to {high:+.3f}",
            *(f"{counts.get(kind, 0) / args.curves:.0%}" for kind in found.columns),
        ]
        for (low, high), counts in found.borders.items()
    ]
    print(epoch_rows(["latent gain in 17 epochs", *found.columns], borders))
    write_json(args.json, _plain(found))
    return 0


def _plain(found: Confusion) -> dict[str, object]:
    return {
        "curves": found.curves,
        "seed": found.seed,
        "verdicts": found.verdicts,
        "recall": {sort: found.recall(sort) for sort in found.verdicts},
        "alarmed": found.alarmed,
        "false_alarms": found.false_alarms,
        "borders": [
            {"least": low, "most": high, "verdicts": counts}
            for (low, high), counts in found.borders.items()
        ],
    }
