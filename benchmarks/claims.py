"""What the action plan expects, and what decamo recommends, held against measurement."""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from benchmarks.claims_account import Account, arms_of, claims_from
from benchmarks.claims_arms import CHECKPOINTS, arms, next_size
from benchmarks.claims_elsewhere import study_elsewhere
from benchmarks.claims_memory import training_bytes
from benchmarks.claims_page import claims_page, claims_table
from benchmarks.claims_promises import PROMISES
from benchmarks.claims_study import Study
from benchmarks.claims_words import DEFINITIONS
from decamo import __version__
from decamo.cluster.place import place_of
from decamo.cluster.tasks import Place
from decamo.data.holdout import fingerprint
from decamo.data.reading import read_mask
from decamo.errors import SettingsError
from decamo.flags import Parser, add_place, place_given, write_json
from decamo.history import (
    EpochDone,
    Event,
    MemoryRanOut,
    ReadingTrouble,
    RolledBack,
    StepDone,
    Validating,
)
from decamo.races.branch import TRANSPLANT
from decamo.recipes import RECIPES
from decamo.report.console import Console
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain, merged, to_plain
from decamo.stop_signals import stop_requests
from decamo.storage import make_folder, write_whole
from decamo.training.data_splits import find_splits
from decamo.training.runtime import Runtime, open_runtime

__all__ = ["add_arguments", "run"]

_LEAST_SEEDS = 2
_CLAIMS = Path("src/decamo/diagnosis/claims.json")
_PAGE = Path("docs/claims.md")
_PRECISION = "fp32"


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks claims``."""
    add = parser.add_argument
    add("--dataset-path", type=Path, nargs="+", required=True, metavar="PATH",
        help="folder of a data set; several are joined")  # fmt: skip
    add("--backbone", default="mobilenetv2_100", metavar="NAME", help="default %(default)s")
    add("--backbone-weights", type=Path, metavar="PATH",
        help="start the backbone from this file (default: timm's ImageNet weights)")  # fmt: skip
    add("--no-pretrained", action="store_true", help="start it from nothing")
    add("--num-experts", type=int, default=7, metavar="N", help="default %(default)s")
    for name in ("mean", "std"):
        add(f"--input-{name}", type=float, nargs=3, metavar="X", help="as `decamo train` takes it")
    add("--img-size", type=int, default=128, metavar="N", help="px (default %(default)s)")
    add("--batch-size", type=int, default=4, metavar="N", help="images (default %(default)s)")
    add("--accumulation-steps", type=int, default=1, metavar="N", help="default %(default)s")
    add("--val-fraction", type=float, default=0.5, metavar="X", help="default %(default)s")
    add("--seeds", type=int, default=3, metavar="N", help="stalled runs (default %(default)s)")
    add("--base-epochs", type=int, default=12, metavar="N",
        help="of a stalled run at a good rate (default %(default)s)")  # fmt: skip
    add("--base-lr", type=float, default=0.001, metavar="X", help="that rate (default 0.001)")
    add("--stall-epochs", type=int, default=3, metavar="N",
        help="after them, at a rate that is too low (default %(default)s)")  # fmt: skip
    add("--stall-lr", type=float, default=0.00001, metavar="X", help="that one (default 0.00001)")
    add("--trial-epochs", type=int, default=4, metavar="N",
        help="of every branch (default %(default)s)")  # fmt: skip
    add("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N")
    add("--num-workers", type=int, default=0, metavar="N",
        help="processes that read images (default %(default)s: their time then counts)",
    )  # fmt: skip
    add("--work", type=Path, default=Path("runs/claims"), metavar="DIR",
        help="folder of the runs; the same command goes on (default %(default)s)")  # fmt: skip
    add("--as-it-is", action="store_true", help="train nothing; tell what is known by now")
    add("--out", type=Path, metavar="DIR",
        help="a checkout of decamo: renew its page docs/claims.md, and the claims.json in the"
        " package that `decamo diagnose` quotes")  # fmt: skip
    add("--note", default="", metavar="TEXT", help="said of the images on the page")
    add("--json", type=Path, metavar="FILE", help="write the claims here as well")
    add_place(parser, "run")


def run(args: argparse.Namespace) -> int:
    """Train, compare and print; returns the exit code, 128 + the number of a signal."""
    if args.seeds < _LEAST_SEEDS:
        remedy = f"give at least {_LEAST_SEEDS}: chance is what they tell"
        raise SettingsError("--seeds", f"got {args.seeds}", remedy)
    for flag in ("base", "stall", "trial"):
        if getattr(args, f"{flag}_epochs") < 1:
            got = f"got {getattr(args, f'{flag}_epochs')}"
            raise SettingsError(f"--{flag}-epochs", got, "give at least 1")
    if args.out is not None and not (args.out / _CLAIMS).parent.is_dir():
        got = f"{args.out} holds no {_CLAIMS.parent}"
        raise SettingsError("--out", got, "name a checkout of decamo, or give --json FILE")
    settings = _settings(args)
    make_folder(args.work)
    on, share = place_given(args, "run")
    threads = torch.get_num_threads()
    where = place_of(
        on, share, args.work, device=args.device, precision=_PRECISION, threads=threads
    )
    with where as place, stop_requests() as asked, Console(sys.stdout, time.monotonic) as con:
        looking = con.progress("looking at the images")
        splits = find_splits(settings.data, args.work / "census.json", looking)
        for source in splits.sources:
            con.say(source)
        study = Study(
            root=args.work,
            settings=settings,
            branches=arms(args.img_size, args.accumulation_steps),
            seeds=args.seeds,
            epochs=args.trial_epochs,
            splits=splits,
            runtime=_runtime(args, place),
            stop=asked.why,
            on_event=_telling(con),
        )
        asked.patient = True
        why = _train(args, study, place)
        if why:
            con.say(f"stopped: {why}; to go on: the same command")
            return 128 + asked.number
    _tell(args, settings, study)
    return 0


def _runtime(args: argparse.Namespace, place: Place) -> Runtime:
    """Of the runs; elsewhere each opens its own, on a device that need not be here."""
    if place.here:
        return open_runtime(args.device, _PRECISION)
    return Runtime(torch.device(place.device))


def _train(args: argparse.Namespace, study: Study, place: Place) -> str:
    """Train what is still to be, where that is asked for; why it stopped before its end."""
    if args.as_it_is:
        study.open(trains=False)
        return ""
    return study.run() if place.here else study_elsewhere(study, place)


def _tell(args: argparse.Namespace, settings: TrainSettings, study: Study) -> None:
    """Print the table, and write what is asked for.

    Raises:
        SettingsError: the page is asked for, and there is nothing yet to be said on it.
    """
    if args.out is not None and not any(study.is_done(t.seed) for t in study.found()):
        got = f"no seed in {args.work} is trained to its end"
        raise SettingsError("--out", got, "give the same command without --as-it-is first")
    ledger = _ledger(args, settings, study)
    print(claims_table(ledger))
    if args.out is not None:
        page = claims_page(ledger)
        make_folder(args.out / _PAGE.parent)
        write_json(args.out / _CLAIMS, ledger)
        write_whole(args.out / _PAGE, page.encode())
        print(f"claims: {args.out / _PAGE}, {args.out / _CLAIMS}")
    write_json(args.json, ledger)


def _ledger(args: argparse.Namespace, settings: TrainSettings, study: Study) -> dict[str, Any]:
    """What ``claims.json`` holds; no path of this machine."""
    splits, trained = study.splits, study.found()
    images = len(splits.val)
    setting = f"{images} images, {args.backbone} at {args.img_size} px, {args.trial_epochs} epochs"
    plain = to_plain(settings)
    memory = {
        b.name: training_bytes(from_plain(merged(plain, b.changes)), taught=b.name == TRANSPLANT)
        for b in study.branches
    }
    account = Account(trained, args.trial_epochs, setting, memory)
    return {
        "decamo": __version__,
        "study": _facts(args, settings, study),
        "stalled": [
            {
                "seed": t.seed,
                "iou": round(t.history[-1].iou, 6),
                "gained": round(t.history[-1].iou - t.history[-2].iou, 6),
            }
            for t in trained
        ],
        "definitions": dict(DEFINITIONS),
        "arms": arms_of(account, study.branches),
        "claims": claims_from(account, PROMISES),
    }


def _facts(args: argparse.Namespace, settings: TrainSettings, study: Study) -> dict[str, Any]:
    pairs = (*study.splits.train, *study.splits.val)
    weights = "timm's pretrained weights" if not args.no_pretrained else "random weights"
    if args.backbone_weights is not None:
        weights = args.backbone_weights.name
    return {
        "sets": [
            {"name": n, "images": c} for n, c in sorted(Counter(p.dataset for p in pairs).items())
        ],
        "train_images": len(study.splits.train),
        "val_images": len(study.splits.val),
        "val_fingerprint": fingerprint(study.splits.val),
        "note": args.note,
        "longest_side": max(max(read_mask(p.mask).shape) for p in study.splits.val),
        "backbone": args.backbone,
        "weights": weights,
        "num_experts": args.num_experts,
        "img_size": args.img_size,
        "next_size": next_size(args.img_size),
        "batch_size": args.batch_size,
        "accumulation_steps": args.accumulation_steps,
        "backbone_lr_ratio": settings.schedule.backbone_lr_ratio,
        "seeds": args.seeds,
        "base_epochs": args.base_epochs,
        "base_lr": args.base_lr,
        "stall_epochs": args.stall_epochs,
        "stall_lr": args.stall_lr,
        "trial_epochs": args.trial_epochs,
        "warmup_epochs": min(
            RECIPES["resolution"]["schedule"]["warmup_epochs"], args.trial_epochs // 3
        ),
        "device": study.device,
    }


def _settings(args: argparse.Namespace) -> TrainSettings:
    model: dict[str, Any] = {
        "backbone": args.backbone,
        "num_experts": args.num_experts,
        "pretrained": not args.no_pretrained,
        "backbone_weights": args.backbone_weights,
        "input_mean": args.input_mean,
        "input_std": args.input_std,
    }
    schedule = {
        "skip_stage1": True,
        "epochs": args.base_epochs,
        "stage2_lr": args.base_lr,
        "scheduler": "none",
        "stage3_epochs": args.stall_epochs,
        "stage3_lr": args.stall_lr,
        "img_size": args.img_size,
        "batch_size": args.batch_size,
        "accumulation_steps": args.accumulation_steps,
    }
    data = {
        "dataset_path": args.dataset_path,
        "val_fraction": args.val_fraction,
        "num_workers": args.num_workers,
    }
    run = {"device": args.device, "precision": _PRECISION, "keep_last": CHECKPOINTS}
    return from_plain({"data": data, "model": model, "schedule": schedule, "run": run})


def _telling(con: Console) -> Any:
    def on_event(seed: int, branch: str, event: Event) -> None:
        if isinstance(event, EpochDone):
            con.say(f"seed {seed}  {branch or 'base':13}  {event.record.line()}")
        elif isinstance(event, StepDone | Validating | MemoryRanOut | ReadingTrouble | RolledBack):
            con.on_event(event)

    return on_event
