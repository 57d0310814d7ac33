"""``decamo report``: a run, or a log of any origin, as one HTML page."""

import argparse
import sys
from pathlib import Path

from decamo.api.report_page import page_beside
from decamo.api.run import Run
from decamo.diagnosis import TARGET
from decamo.flags import Parser, add_network, reads_of_past, write_json
from decamo.storage.outputs import Read, Written, check_outputs

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo report``."""
    add = parser.add_argument
    add("run", nargs="+", metavar="RUN",
        help="a run folder, a journal or a log of any origin; several are parts of one lineage;"
        " - is standard input")  # fmt: skip
    add("--html", type=Path, metavar="FILE",
        help="the page (default: RUN/report.html; beside a log, LOG.report.html)")  # fmt: skip
    add("--target", type=float, default=TARGET, metavar="X", help=f"IoU to reach ({TARGET:g})")
    add("--dataset-path", nargs="+", action="extend", type=Path, metavar="PATH",
        help="data sets for the gallery (default: those that the run was trained on)")  # fmt: skip
    add_network(add, default="")
    add("--no-gallery", action="store_true", help="no validation cases: then torch is not loaded")
    add("--device", default="auto", help="for the gallery: auto, cpu, cuda or cuda:N")
    add("--json", type=Path, metavar="FILE", help="write what the page says")


def run(args: argparse.Namespace) -> int:
    """Make the page; returns the exit code."""
    past = Run(*args.run, stdin=sys.stdin.buffer)
    target = args.html or page_beside(args.run[-1])
    folders = [Read("--dataset-path", path) for path in args.dataset_path or ()]
    check_outputs(
        [*reads_of_past(args.run), *folders],
        [Written("--html", target), *([Written("--json", args.json)] if args.json else [])],
    )
    made = past.report(
        target,
        target=args.target,
        dataset_path=args.dataset_path or (),
        gallery=not args.no_gallery,
        network=args.network,
        device=args.device,
    )
    if made.missing:
        print(f"decamo: no gallery: {made.missing}", file=sys.stderr)
    findings = made.findings
    print(findings.diagnosis.verdict.sentence)
    if findings.forecast:
        print(f"forecast: {findings.forecast.sentence}")
    if findings.advice:
        print(f"advice: {findings.advice.first.title}")
    print(f"report: {target}")
    write_json(args.json, made.to_plain())
    return 0
