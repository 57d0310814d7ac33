"""``decamo bench``: claims of cost, measured."""

import argparse
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from decamo.errors import SettingsError
from decamo.evaluation.scaling import Scaling, compare_workers, write_pictures
from decamo.evaluation.speed import SHARES, compare_speed
from decamo.flags import Parser, write_json
from decamo.report import epoch_rows
from decamo.settings import ModelSettings

__all__ = ["add_arguments", "run"]

_SMALLEST = 48  # px; coarser noise than that has no pixel
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
    _add_workers(
        verbs.add_parser(
            "workers", help="time of scoring a folder of maps with one process and with several"
        )
    )


def _add_workers(workers: argparse.ArgumentParser) -> None:
    workers.add_argument(
        "--workers", type=int, default=2, metavar="N", help="how many several are (2)"
    )
    workers.add_argument("--images", type=int, default=200, metavar="N", help="maps (200)")
    workers.add_argument(
        "--size", type=int, nargs=2, default=(768, 1024), metavar=("H", "W"), help="px (768 1024)"
    )
    workers.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds (5)")
    workers.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Count or time; returns the exit code."""
    return {"network": _network, "metrics": _metrics, "workers": _workers}[args.verb](args)


def _network(args: argparse.Namespace) -> int:
    from decamo.nn import build_segmenter, measure_cost  # torch: decisions/0007

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


def _workers(args: argparse.Namespace) -> int:
    smallest = {"workers": 2, "images": 1, "repeats": 1}
    for name, least in smallest.items():
        if getattr(args, name) < least:
            raise SettingsError(f"--{name}", str(getattr(args, name)), f"give {least} or more")
    if min(args.size) < _SMALLEST:
        raise SettingsError("--size", f"{min(args.size)} px", f"give {_SMALLEST} or more")
    command = [sys.executable, "-m", "decamo.cli", "evaluate"]
    with tempfile.TemporaryDirectory() as root:
        folders = write_pictures(Path(root), tuple(args.size), args.images)
        scaling = compare_workers(*folders, args.workers, args.repeats, command)
    print(_scaling_text(scaling, args))
    write_json(args.json, asdict(scaling) | {k: getattr(args, k) for k in (*smallest, "size")})
    return 0


def _scaling_text(scaling: Scaling, args: argparse.Namespace) -> str:
    ways = {
        "scoring": scaling.scoring,
        "the command, start-up included": scaling.command,
        "processes that share nothing": scaling.machine,
    }
    header = ["way", "1 process s", f"{args.workers} processes s", "ratio", "quartiles"]
    rows = [
        [
            name,
            f"{way.one_s:.2f}",
            f"{way.many_s:.2f}",
            f"{way.ratio:.2f}",
            f"{way.ratio_low:.2f} to {way.ratio_high:.2f}",
        ]
        for name, way in ways.items()
    ]
    height, width = args.size
    an_image = 1000 * scaling.scoring.one_s / args.images
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = scaling.scoring.ratio / scaling.machine.ratio
    return (
        f"{epoch_rows(header, rows)}\n"
        f"{args.images} maps of {height}x{width}, in turn, median of {args.repeats} rounds; {cores}"
        f" cores, which others may use too\n"
        f"scoring gets {share:.0%} of what the machine gave to processes that share nothing\n"
        f"an image takes {an_image:.2f} ms to score and {scaling.feeding_ms:.2f} ms of CPU to hand"
        " out"
    )
