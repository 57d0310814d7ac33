"""Our one exchange of gradients a step beside DistributedDataParallel: time, memory, weights."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.gradients_processes import Exchange, Work, compare_exchanges
from decamo.errors import SettingsError
from decamo.flags import Parser, write_json
from decamo.report import epoch_rows

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks gradients``."""
    add = parser.add_argument
    add("--backbone", default="edgenext_base")
    add("--img-size", type=int, default=64, metavar="N", help="px (64)")
    add("--processes", type=int, nargs="+", default=[2, 4], metavar="N", help="of a run (2 4)")
    add("--accumulation-steps", type=int, nargs="+", default=[1, 4], metavar="N",
        help="micro-batches of one image a step (1 4)")  # fmt: skip
    add("--rounds", type=int, default=12, metavar="N", help="steps of each, timed in turn (12)")
    add("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    for name in ("processes", "accumulation_steps"):
        if min(getattr(args, name)) < 1:
            flag = f"--{name.replace('_', '-')}"
            raise SettingsError(flag, f"got {getattr(args, name)}", "give numbers from 1")
    if args.rounds < 2:
        raise SettingsError("--rounds", f"got {args.rounds}", "give 2 or more")
    found = [
        compare_exchanges(Work(args.backbone, args.img_size, accumulation, args.rounds), processes)
        for processes in args.processes
        for accumulation in args.accumulation_steps
    ]
    print(_text(found, args.backbone, args.img_size))
    write_json(args.json, {"exchanges": [asdict(exchange) for exchange in found]})
    return 0


def _text(found: Sequence[Exchange], backbone: str, img_size: int) -> str:
    rows = [
        [
            str(one.processes),
            str(one.accumulation),
            f"{one.own.median:.3f} ({one.own.low:.3f}-{one.own.high:.3f})",
            f"{one.ddp.median:.3f} ({one.ddp.low:.3f}-{one.ddp.high:.3f})",
            f"{one.ratio.median:.2f} ({one.ratio.low:.2f}-{one.ratio.high:.2f})",
            f"{one.own_bytes / 2**20:.0f}",
            f"{one.ddp_bytes / 2**20:.0f}",
            f"{one.difference:.1e} of {one.change:.1e}",
        ]
        for one in found
    ]
    header = ["processes", "micro-batches", "own s", "DDP s", "DDP / own", "own MiB", "DDP MiB",
              "weights differ"]  # fmt: skip
    return "\n".join(
        [
            f"an optimizer step of {backbone} at {img_size} px, one image a micro-batch, gloo;"
            f" {found[0].parameters / 1e6:.1f} M parameters that learn",
            epoch_rows(header, rows),
            "median (quartiles) of rounds in turn; peak memory of a process beyond the network's"
            " start; root mean square difference of the weights after all steps, of their change",
        ]
    )
