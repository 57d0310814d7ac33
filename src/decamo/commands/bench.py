"""``decamo bench``: claims of cost and quality, measured."""

import argparse
import importlib
from pathlib import Path

from decamo.flags import Parser
from decamo.storage.outputs import Read, Written, check_outputs

__all__ = ["VERBS", "add_arguments", "run"]

VERBS = {
    "network": "parameters and FLOPs of a forward pass beside the bare backbone",
    "metrics": "time of all measures of an image beside pysodmetrics",
    "workers": "time of scoring a folder of maps with one process and with several",
    "loader": "images a second that one core reads for training, beside other pipelines",
    "speed": "network, loader and metrics: every ratio of speed in one run, with its goal",
    "profile": "where the time of a training step goes, part by part",
    "rates": "images a second that train, by batch and size, beside the bare backbone; for a GPU",
    "diagnosis": "the diagnosis held against made-up runs whose true state is known",
    "forecast": "the forecast held against recorded runs, each left out in turn",
    "quality": "networks of others and our own, trained alike on photographs and scored",
    "ablation": "what each part of our network and its recipe is worth, left out or changed alone",
    "claims": "what the action plan expects and what decamo recommends, held against measurement",
}


def add_arguments(parser: Parser) -> None:
    """Take the verb; its own flags are read when it is known, so that nothing else is loaded."""
    parser.add_argument(
        "verb",
        choices=VERBS,
        metavar="VERB",
        help="; ".join(f"{name}: {what}" for name, what in VERBS.items()),
    )
    parser.add_argument("flags", nargs=argparse.REMAINDER, help="decamo bench VERB --help")


def run(args: argparse.Namespace) -> int:
    """Measure; returns the exit code."""
    bench = importlib.import_module(f"decamo.benches.{args.verb}")
    parser = Parser(prog=f"decamo bench {args.verb}", description=VERBS[args.verb])
    bench.add_arguments(parser)
    parsed = parser.parse(args.flags)
    _check_outputs(parsed)
    code: int = bench.run(parsed)
    return code


def _check_outputs(parsed: argparse.Namespace) -> None:
    """``--json`` against every file and folder that the other flags name."""
    named = {f"--{name.replace('_', '-')}": value for name, value in vars(parsed).items()}
    reads = [
        Read(flag, path)
        for flag, value in named.items()
        for path in (value if isinstance(value, list | tuple) else [value])
        if isinstance(path, Path) and flag not in ("--json", "--out")
    ]
    writes = [Written("--json", parsed.json)] if named.get("--json") else []
    if isinstance(named.get("--work"), Path):
        writes.append(Written("--work", parsed.work, folder=True))
    check_outputs(reads, writes)
