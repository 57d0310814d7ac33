"""``decamo plan``: the flags of ``train``, and what they mean, before a GPU hour is spent."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from decamo.errors import DataError
from decamo.flags import Parser, add_settings, chosen_settings, reads_of, write_json
from decamo.plan import Resumption, review
from decamo.report import plan_text, rates_by_epoch, spending_text
from decamo.settings import TrainSettings
from decamo.storage.outputs import Read, Written, check_outputs
from decamo.training import expected_spending, is_complete, resumption_of

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo plan``."""
    add_settings(parser)
    group = parser.add_argument_group("the plan")
    group.add_argument(
        "--images",
        type=int,
        metavar="N",
        help="training images (default: counted at a resume or in --dataset-path)",
    )
    group.add_argument("--devices", type=int, default=1, metavar="N", help="GPUs (default 1)")
    group.add_argument("--png", type=Path, metavar="FILE", help="draw the learning rates")
    group.add_argument(
        "--measure",
        action="store_true",
        help="time a micro-batch of each stage on this machine and count its memory",
    )
    group.add_argument("--json", type=Path, metavar="FILE", help="write the plan here as well")


def run(args: argparse.Namespace) -> int:
    """Print the plan; returns the exit code."""
    settings, checkpoint = chosen_settings(args)
    named = {"--png": args.png, "--json": args.json}
    check_outputs(
        [*reads_of(args, settings), Read("--checkpoint-dir", settings.run.checkpoint_dir)],
        [Written(flag, path) for flag, path in named.items() if path is not None],
    )
    if checkpoint is not None and is_complete(settings, checkpoint):
        reason = f"{settings.run.resume_from} stands at the end of its plan"
        print(f"complete: {reason}")
        write_json(args.json, {"word": "complete", "reason": reason})
        return 0
    images = args.images or _images(settings, checkpoint)
    resumption = resumption_of(settings, checkpoint, images=images, world=args.devices)
    word, reason = resumption.told
    print(f"{word}: {reason}; {images} training images\n")
    print(plan_text(resumption.ledger, resumption.position))
    warnings = review(resumption.ledger, resumption.position)
    for warning in warnings:
        print(f"\nwarning: {warning}")
    spending = expected_spending(settings, resumption, checkpoint, measure=args.measure)
    print(f"\n{spending_text(spending)}")
    if args.png:
        from decamo.report.plan_picture import draw_plan  # matplotlib: decisions/0007

        draw_plan(args.png, resumption.ledger, resumption.position)
        print(f"\ndrawn: {args.png}")
    report = _report(resumption) | {
        "warnings": list(warnings),
        "spending": [asdict(s) for s in spending],
    }
    write_json(args.json, report)
    return 0


def _images(settings: TrainSettings, checkpoint: dict[str, Any] | None) -> int:
    if checkpoint is not None:
        return int(checkpoint["ledger"][-1]["images"])
    if not settings.data.dataset_path:
        raise DataError("--dataset-path", "not given", "name a data set, or give --images N")
    from decamo.data.layouts import Wanted, find_pairs  # numpy and Pillow: decisions/0007

    # Counted by name alone: what turns out empty or unreadable is known when training looks.
    data = settings.data
    wanted = Wanted(data.train_on, data.test_on, data.mask_suffix)
    pairs = [
        p
        for p in find_pairs(data.dataset_path, "train", wanted).pairs
        if settings.data.noncam == "negatives" or not p.noncam_by_name
    ]
    return len(pairs) - round(len(pairs) * settings.data.val_fraction)


def _report(resumption: Resumption) -> dict[str, Any]:
    plan = resumption.ledger.plan
    word, reason = resumption.told
    return {
        "word": word,
        "reason": reason,
        "position": asdict(resumption.position),
        "stages": [
            {
                "number": s.number,
                "epochs": [s.first_epoch, s.last_epoch],
                "steps": [s.first_step, s.end_step - 1],
                "steps_per_epoch": s.steps_per_epoch,
                "micro_batch": s.micro_batch,
                "accumulation": s.accumulation,
                "img_size": s.img_size,
                "curve": s.curve.kind,
                "openings": {str(o.step): sorted(o.groups) for o in s.openings},
            }
            for s in plan.stages
        ],
        "lr": {str(e): rates for e, rates in rates_by_epoch(resumption.ledger).items()},
        "last_lr": {g: plan.lr(plan.end_step - 1, g) for g in plan.ratios},
    }
