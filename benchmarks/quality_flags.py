"""Flags of the comparisons by quality: data, epochs, sizes, views, place."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality_scores import sets_under
from benchmarks.quality_terms import Terms, everything_trains, part_trains
from decamo.data.pairs import Pair
from decamo.errors import SettingsError
from decamo.evaluation import CaseSet, sets_of_pairs
from decamo.flags import Parser, add_views
from decamo.inference.views import Views
from decamo.training.data_splits import DataSplits

__all__ = ["add_hold_out", "add_terms", "check_hold_out", "images_of", "terms_of"]


def add_terms(parser: Parser, *, work: str) -> None:
    """Add the flags that :func:`terms_of` reads, ``--seeds``, ``--rounds``, and where results go.

    Args:
        parser: takes them.
        work: default folder of runs and scores.
    """
    add = parser.add_argument_group("what all have in common").add_argument
    add("--dataset-path", nargs="+", action="extend", type=Path, default=[], metavar="PATH",
        help="folders of data sets: all training images train, all test sets score")  # fmt: skip
    add("--backbone-weights", type=Path, metavar="FILE", help="of the encoder (default: random)")
    add("--backbone", default="mobilenetv2_100", metavar="NAME", help="timm's name")
    add("--input-mean-std", type=float, nargs=2, default=(0.5, 0.5), metavar=("M", "S"),
        help="that the weights expect, of each channel in [0,1] (0.5 0.5)")  # fmt: skip
    add("--seeds", type=int, default=1, metavar="N", help="runs of each network (1)")
    add("--epochs", type=int, default=10, metavar="N", help="of each network (10)")
    add("--img-size", type=int, default=192, metavar="N", help="px that networks see (192)")
    add("--batch-size", type=int, default=8, metavar="N", help="images in an optimizer step (8)")
    add("--rounds", type=int, default=7, metavar="N", help="timed in turns, the median counts (7)")
    add_views(add)
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"))
    add("--num-workers", type=int, default=2, metavar="N", help="processes that read (2)")
    add = parser.add_argument_group("what is kept").add_argument
    add("--work", type=Path, default=Path(work), metavar="DIR",
        help="runs, scores and costs; the same command goes on with what lies there")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def terms_of(args: argparse.Namespace) -> Terms:
    """The common terms, each flag checked."""
    for name in ("seeds", "epochs", "batch_size", "rounds"):
        if getattr(args, name) < 1:
            flag = f"--{name.replace('_', '-')}"
            raise SettingsError(flag, f"got {getattr(args, name)}", "give 1 or more")
    if args.img_size < 32 or args.img_size % 32:
        raise SettingsError("--img-size", f"got {args.img_size}", "give a multiple of 32 px")
    return Terms(
        tuple(args.dataset_path),
        args.backbone,
        args.backbone_weights,
        tuple(args.input_mean_std),
        args.epochs,
        args.img_size,
        args.batch_size,
        args.num_workers,
        args.device,
        args.precision,
        Views(args.flips, tuple(args.scales), args.look_closer),
        args.decide,
    )


def add_hold_out(parser: Parser) -> None:
    """Add ``--hold-out``, which :func:`check_hold_out` and :func:`images_of` read."""
    parser.add_argument_group("what is chosen by").add_argument(
        "--hold-out", type=float, metavar="SHARE",
        help="train on the other training images and score these, in a --work of its own; no test"
        " image is scored",
    )  # fmt: skip


def check_hold_out(args: argparse.Namespace) -> None:
    """Refuse a share that is none.

    Raises:
        SettingsError: ``--hold-out`` is not in (0,1).
    """
    if args.hold_out is not None and not 0 < args.hold_out < 1:
        raise SettingsError("--hold-out", f"got {args.hold_out}", "give a share, such as 0.25")


def images_of(
    args: argparse.Namespace, terms: Terms
) -> tuple[DataSplits, tuple[Pair, ...], Sequence[CaseSet]]:
    """The images that train, those held out of them, and the sets that are scored."""
    census = args.work / "census.json"
    if args.hold_out is None:
        return everything_trains(terms, census), (), sets_under(terms.dataset_path)
    splits, held = part_trains(terms, args.hold_out, census)
    return splits, held, sets_of_pairs(held)
