"""How close to the bare backbone, from disk to update: every ratio of speed in one run."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks.loader import REFERENCE, add_reference, lacks, loader_rounds
from benchmarks.loader import add_arguments as add_loader_arguments
from benchmarks.metrics import METRICS_GOAL, SIZES
from benchmarks.metrics_speed import compare_speed
from benchmarks.metrics_way import GROUNDS
from benchmarks.speed_launch import add_arguments as add_launch_arguments
from benchmarks.speed_launch import folder_lines, launch_lines
from benchmarks.speed_limits import check_limits
from benchmarks.speed_lines import Line, markdown, plain, read_lines, table
from benchmarks.speed_network import NetworkTerms, network_lines
from benchmarks.speed_scoring import add_scoring, scoring_lines
from benchmarks.speed_step import step_lines
from benchmarks.speed_training import add_arguments as add_training_arguments
from benchmarks.speed_training import training_lines
from decamo.errors import SettingsError
from decamo.flags import Parser, write_json
from decamo.report import epoch_rows
from decamo.training.runtime import open_runtime

__all__ = ["PARTS", "add_arguments", "run"]

CACHED_GOAL, UNCACHED_GOAL = 4.5, 1.5
Measured = tuple[list[Line], str]


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks speed``."""
    parser.add_argument("--backbone", default="edgenext_base")
    parser.add_argument("--img-size", type=int, default=384, metavar="N", help="px (384)")
    parser.add_argument("--batch-size", type=int, default=2, metavar="N", help="images (2)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="of all in turn (9)")
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS), metavar="PART")
    parser.add_argument(
        "--short",
        action="store_true",
        help="only what does not drift: operations, parameters, memory, waits; exit code 1 if one"
        " has grown over its limit",
    )
    add_reference(parser)
    add_launch_arguments(parser)
    add_training_arguments(parser)
    add_scoring(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")
    parser.add_argument(
        "--results", type=Path, nargs="+", metavar="FILE",
        help="measure nothing: print what these JSON files hold as the table of docs/speed.md",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    for name in ("rounds", "batch_size"):
        if getattr(args, name) < 1:
            flag = f"--{name.replace('_', '-')}"
            raise SettingsError(flag, str(getattr(args, name)), "give 1 or more")
    if args.results:
        print(markdown(read_lines(args.results)))
        return 0
    if args.short:
        return _short(args)
    lines: list[Line] = []
    left_out = []
    for part in args.only:
        found, skipped = PARTS[part](args)
        lines += found
        left_out += [skipped] if skipped else []
    print(table(lines))
    for skipped in left_out:
        print(skipped)
    print(
        f"medians of {args.rounds} rounds in turn; networks: {args.batch_size} images of"
        f" {args.img_size} px, without loss, on one thread of the processor or on the GPU; the"
        " goals of loader and metrics say how many times faster"
    )
    write_json(args.json, {"lines": plain(lines), "left_out": left_out})
    return 0


def _short(args: argparse.Namespace) -> int:
    limits = check_limits(_terms(args))
    rows = [
        [limit.what, f"{limit.got:,.6g}", f"{limit.most:,.6g}", "" if limit.kept else "BROKEN"]
        for limit in limits
    ]
    print(epoch_rows([f"added to {args.backbone}", "got", "at most", ""], rows))
    write_json(args.json, {"limits": [asdict(limit) | {"kept": limit.kept} for limit in limits]})
    return 0 if all(limit.kept for limit in limits) else 1


def _terms(args: argparse.Namespace) -> NetworkTerms:
    runtime = open_runtime(args.device, "auto")
    return NetworkTerms(args.backbone, args.img_size, args.batch_size, args.rounds, runtime)


def _network(args: argparse.Namespace) -> Measured:
    return network_lines(_terms(args))


def _loader(args: argparse.Namespace) -> Measured:
    if missing := lacks(args.reference_python):
        return [], f"loader: skipped: {missing}"
    own = Parser(prog="python -m benchmarks loader")
    add_loader_arguments(own)
    words = ["--size", str(args.img_size), "--repeats", str(args.rounds)]
    words += ["--reference-python", str(args.reference_python)]
    results, _ = loader_rounds(own.parse(words))
    times = results[REFERENCE]["times"]
    lines = []
    for way, what, goal in (
        ("cache", "with --cache", CACHED_GOAL),
        ("cache off", "without", UNCACHED_GOAL),
    ):
        spread = times[way]
        lines.append(
            Line(
                "loader",
                f"{REFERENCE} / decamo {what}",
                spread["ratio"],
                spread["low"],
                spread["high"],
                goal,
                at_most=False,
            )
        )
    return lines, ""


def _metrics(args: argparse.Namespace) -> Measured:
    lines = []
    try:
        for height, width in SIZES:
            for ground in GROUNDS:
                r = compare_speed((height, width), args.rounds, ground)
                what = f"pysodmetrics / decamo, {height}x{width}, {ground} ground"
                spread = (r["ratio"], r["ratio_low"], r["ratio_high"])
                lines.append(Line("metrics", what, *spread, METRICS_GOAL, at_most=False))
    except SettingsError as error:
        return [], f"metrics: skipped: {error.got}; {error.remedy}"
    return lines, ""


def _forward(args: argparse.Namespace) -> Measured:
    from benchmarks.speed_forward import forward_lines  # needs extras that no other part does

    return forward_lines(args)


PARTS: dict[str, Callable[[argparse.Namespace], Measured]] = {
    "network": _network,
    "step": lambda args: step_lines(_terms(args)),
    "forward": _forward,
    "training": training_lines,
    "loader": _loader,
    "metrics": _metrics,
    "launch": launch_lines,
    "folder": folder_lines,
    "scoring": scoring_lines,
}
