"""``decamo bench``: claims of cost, measured."""

import argparse
from dataclasses import asdict
from pathlib import Path

from decamo.errors import SettingsError
from decamo.evaluation.speed import SHARES, compare_speed
from decamo.flags import Parser, write_json
from decamo.nn import build_segmenter, measure_cost
from decamo.report import epoch_rows
from decamo.settings import ModelSettings

__all__ = ["add_arguments", "run"]

SIZES = ((384, 384), (768, 1024))


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo bench``."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    network = verbs.add_parser(
        "network", help="parameters and FLOPs of a forward pass beside the bare backbone"
    )
    network.add_argument("--backbone", default="edgenext_base")
    network.add_argument("--num-experts", type=int, default=7, metavar="N")
    network.add_argument("--img-size", type=int, default=384, metavar="N")
    network.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")
    metrics = verbs.add_parser(
        "metrics", help="time of all measures of an image beside pysodmetrics"
    )
    metrics.add_argument(
        "--repeats", type=int, default=15, metavar="N", help="rounds of all images"
    )
    metrics.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Count or time; returns the exit code."""
    return _metrics(args) if args.verb == "metrics" else _network(args)


def _network(args: argparse.Namespace) -> int:
    settings = ModelSettings(args.backbone, args.num_experts, pretrained=False)
    model = build_segmenter(settings, sizes=[args.img_size], initialise=False, seed=0)
    costs = {
        args.backbone: measure_cost(model.backbone, args.img_size),
        f"{args.backbone} + {args.num_experts} experts": measure_cost(model, args.img_size),
    }
    bare = costs[args.backbone]
    rows = [
        [
            name,
            f"{cost.parameters / 1e6:.2f}",
            f"{cost.flops / 1e9:.2f}",
            f"{cost.parameters / bare.parameters:.3f}",
            f"{cost.flops / bare.flops:.3f}",
        ]
        for name, cost in costs.items()
    ]
    header = ["network", "M parameters", "GFLOP", "x parameters", "x FLOP"]
    print(epoch_rows(header, rows))
    print(f"one image at {args.img_size} px, forward; a multiply-add counts as two")
    write_json(args.json, {name: asdict(cost) for name, cost in costs.items()})
    return 0


def _metrics(args: argparse.Namespace) -> int:
    if args.repeats < 1:
        raise SettingsError("--repeats", str(args.repeats), "give 1 or more")
    results = {f"{h}x{w}": compare_speed((h, w), args.repeats) for h, w in SIZES}
    rows = [
        [
            size,
            f"{r['decamo_ms']:.2f}",
            f"{r['pysodmetrics_ms']:.2f}",
            f"{r['ratio']:.1f}",
            f"{r['ratio_low']:.1f} to {r['ratio_high']:.1f}",
        ]
        for size, r in results.items()
    ]
    print(epoch_rows(["size", "decamo ms", "pysodmetrics ms", "ratio", "quartiles"], rows))
    print(
        f"an image, median of {args.repeats} rounds over {len(SHARES)} 8-bit maps with objects of "
        f"{', '.join(f'{s:.0%}' for s in SHARES)}; one process; decamo adds boundary IoU"
    )
    write_json(args.json, results)
    return 0
