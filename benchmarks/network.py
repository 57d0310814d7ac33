"""Parameters and FLOPs of a forward pass beside the bare backbone."""

import argparse
from dataclasses import asdict
from pathlib import Path

from decamo.flags import Parser, write_json
from decamo.nn import build_segmenter
from decamo.nn.cost import measure_cost
from decamo.report import epoch_rows
from decamo.settings import ModelSettings

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks network``."""
    parser.add_argument("--backbone", default="edgenext_base")
    parser.add_argument("--num-experts", type=int, default=7, metavar="N")
    parser.add_argument("--img-size", type=int, default=384, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    settings = ModelSettings(args.backbone, args.num_experts, pretrained=False)
    model = build_segmenter(settings, sizes=[args.img_size], initialize=False, seed=0)
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
