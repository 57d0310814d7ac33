"""``decamo bench``: claims of cost and quality, measured."""

import argparse
import importlib

from decamo.flags import Parser

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
    code: int = bench.run(parser.parse(args.flags))
    return code
