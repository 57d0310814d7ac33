"""``decamo evaluate``: score a checkpoint on data sets, at the native size of each mask."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from rich.progress import Progress

from decamo.data.census import apply_noncam, refuse_if_bad, take_census
from decamo.data.holdout import fingerprint
from decamo.data.layouts import find_pairs
from decamo.data.pairs import Pair
from decamo.evaluation import score_pairs
from decamo.flags import Parser, write_json
from decamo.inference import Predictor, load_model
from decamo.metrics import THRESHOLD, mean_scores
from decamo.report import epoch_rows
from decamo.training import open_runtime

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo evaluate``."""
    parser.add_argument("checkpoint", type=Path, help="a checkpoint such as best_model.pth")
    parser.add_argument(
        "--dataset-path",
        type=Path,
        nargs="+",
        action="extend",
        required=True,
        metavar="PATH",
        help="folders of data sets; each is scored by itself",
    )
    parser.add_argument("--split", default="test", choices=("test", "train"))
    parser.add_argument("--noncam", default="drop", choices=("drop", "negatives"))
    parser.add_argument(
        "--img-size", type=int, metavar="N", help="size the network sees, px (default: as trained)"
    )
    parser.add_argument("--batch-size", type=int, default=8, metavar="N")
    parser.add_argument("--num-workers", type=int, default=2, metavar="N", help="reading threads")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="fp32", choices=("auto", "fp32", "fp16", "bf16"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores here as well")


def run(args: argparse.Namespace) -> int:
    """Score; returns the exit code."""
    loaded = load_model(args.checkpoint)
    runtime = open_runtime(args.device, args.precision)
    loaded.model.to(runtime.device)
    size = args.img_size or loaded.img_size
    predictor = Predictor(loaded.model, size, runtime.device, runtime.dtype)
    protocol = (
        f"{args.split} split, {loaded.weights} weights of epoch {loaded.epoch}, network at {size}"
        f" px, scored at native size, threshold {THRESHOLD}, NonCAM {args.noncam}"
    )
    rows, report = [], []
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        for name, pairs in _by_dataset(args).items():
            task = progress.add_task(name, total=len(pairs))
            scored = score_pairs(
                predictor,
                pairs,
                batch=args.batch_size,
                threads=args.num_workers,
                on_progress=lambda done, _: progress.update(task, completed=done),  # noqa: B023
            )
            mean = mean_scores([s.scores for s in scored])
            print_of = fingerprint(pairs)
            values = [f"{v:.4f}" for v in asdict(mean).values()]
            rows.append([name, str(len(pairs)), *values, print_of])
            images = [{"image": s.pair.key, **asdict(s.scores)} for s in scored]
            report.append(
                {"dataset": name, "data": print_of, "mean": asdict(mean), "images": images}
            )
    print(epoch_rows(["data set", "images", "IoU", "Dice", "MAE", "data"], rows))
    print(f"mean over images; {protocol}")
    write_json(args.json, {"checkpoint": args.checkpoint, "protocol": protocol, "datasets": report})
    return 0


def _by_dataset(args: argparse.Namespace) -> dict[str, list[Pair]]:
    """Pairs to score, by data set, after the NonCAM policy."""
    listing = find_pairs(args.dataset_path, args.split)
    census = take_census(
        listing.pairs, workers=args.num_workers, seen=None, on_progress=lambda _done, _of: None
    )
    for bad in census.bad:
        print(f"left out: {bad.path}: {bad.reason}", file=sys.stderr)
    refuse_if_bad(census)
    kept, _ = apply_noncam(census.entries, args.noncam)
    grouped: dict[str, list[Pair]] = {}
    for entry in kept:
        grouped.setdefault(entry.pair.dataset, []).append(entry.pair)
    return grouped
