"""``decamo diagnose``: what ails a run, why, and the next command to paste."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from decamo.api.run import Run
from decamo.diagnosis import TARGET, Advice, Diagnosis
from decamo.errors import SettingsError
from decamo.flags import Parser, reads_of_past, write_json
from decamo.history import Point, TrainingLog
from decamo.report.diagnosis_text import tell
from decamo.storage.outputs import Read, Written, check_outputs

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo diagnose``."""
    parser.add_argument(
        "run",
        nargs="*",
        metavar="RUN_OR_LOG",
        help="a run folder, a log of any origin, a CSV, event files, or - for standard input;"
        " several are the parts of one run",
    )
    parser.add_argument(
        "--target", type=float, default=TARGET, metavar="X", help=f"IoU to reach (default {TARGET})"
    )
    parser.add_argument(
        "--baseline-iou", type=float, metavar="X", help="IoU that the present schedule set out from"
    )
    parser.add_argument(
        "--baseline-epoch", type=int, metavar="N", help="the epoch that had it; give both or none"
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="go on from this file (default: the run's own)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything here as well")


def run(args: argparse.Namespace) -> int:
    """Diagnose and advise; returns the exit code, 0 whatever the verdict is."""
    reads = reads_of_past(args.run)
    if args.checkpoint:
        reads.append(Read("--checkpoint", Path(args.checkpoint)))
    check_outputs(reads, [Written("--json", args.json)] if args.json else [])
    past = Run(*args.run, stdin=sys.stdin.buffer)
    found = past.diagnose(args.target, baseline=_baseline(args), checkpoint=args.checkpoint or None)
    tell(found.diagnosis, found.advice, sys.stdout)
    write_json(args.json, _report(past.past, found.diagnosis, found.advice))
    return 0


def _baseline(args: argparse.Namespace) -> Point | None:
    iou, epoch = args.baseline_iou, args.baseline_epoch
    if iou is None and epoch is None:
        return None
    if iou is None or epoch is None:
        missing = "--baseline-iou" if iou is None else "--baseline-epoch"
        raise SettingsError(missing, "not given", "give both or none")
    if not 0 <= iou <= 1:
        raise SettingsError("--baseline-iou", f"got {iou:g}", "give an IoU from 0 to 1")
    if epoch < 0:
        raise SettingsError("--baseline-epoch", f"got {epoch}", "give 0 or more")
    return Point(epoch=epoch, iou=iou)


def _report(past: TrainingLog, found: Diagnosis, advice: Advice) -> dict[str, Any]:
    return {
        "source": past.source,
        "verdict": asdict(found.verdict),
        "symptoms": [asdict(s) for s in found.symptoms],
        "target": found.target,
        "baseline": asdict(found.baseline) if found.baseline else None,
        "causes": [asdict(c.suspicion) | {"remedy": asdict(c.remedy)} for c in advice.counsels],
        "adopt": asdict(advice.adopt) if advice.adopt else None,
        "next": asdict(advice.first),
        "learning_rate": advice.rate,
        "ladder": [asdict(r) for r in advice.ladder],
        "checks": list(advice.checks),
        "forecast": asdict(advice.forecast) if advice.forecast else None,
        "standing": asdict(advice.standing),
        "seen": list(found.seen),
    }
