"""How long a race takes on Ray with some workers, beside plain processes that share nothing."""

import argparse
import logging
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch

from benchmarks.claims_stalled import held_stall, stall
from decamo.cluster import OnRay, Share
from decamo.cluster.place import place_of
from decamo.data.scenes import write_scenes
from decamo.errors import SettingsError
from decamo.flags import Parser, write_json
from decamo.history import Event, read_journal
from decamo.races.branch import CONTROL, TWIN, Branch
from decamo.races.race import Race, open_race
from decamo.races.remote_trials import RemoteTrials
from decamo.races.session import course_of
from decamo.races.trial import Course, advance
from decamo.report import epoch_rows
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain
from decamo.storage import make_folder
from decamo.system import clean_context
from decamo.training.data_splits import find_splits
from decamo.training.runtime import open_runtime

__all__ = ["add_arguments", "run"]

_LEAST = {"branches": 4, "trial_epochs": 1, "processes": 1, "images": 20}


@dataclass(frozen=True)
class _Way:
    """One way of training all branches.

    Attributes:
        name: for people.
        seconds: until the last was done, start of all processes included.
        epochs: that were trained.
    """

    name: str
    seconds: float
    epochs: int

    @property
    def per_epoch(self) -> float:
        """Seconds."""
        return self.seconds / self.epochs


def add_arguments(parser: Parser) -> None:
    """Flags of ``python -m benchmarks raced``."""
    add = parser.add_argument
    add("--branches", type=int, default=12, metavar="N", help="that race (default %(default)s)")
    add("--trial-epochs", type=int, default=4, metavar="N", help="of each (default %(default)s)")
    add("--workers", type=int, nargs="+", default=[1, 2], metavar="N",
        help="of Ray, with a core each (default 1 2)")  # fmt: skip
    add("--processes", type=int, default=2, metavar="N",
        help="that share nothing, each with a part of the branches, beside one that has all"
        " (default %(default)s)",
    )  # fmt: skip
    add("--images", type=int, default=120, metavar="N", help="made up (default %(default)s)")
    add("--img-size", type=int, default=64, metavar="N", help="px (default %(default)s)")
    add("--backbone", default="test_efficientnet", metavar="NAME", help="default %(default)s")
    add("--work", type=Path, default=Path("runs/raced"), metavar="DIR",
        help="folder of the runs, which is made anew (default %(default)s)")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write the numbers here as well")


def run(args: argparse.Namespace) -> int:
    """Race in each way and print; returns the exit code."""
    for name, least in _LEAST.items():
        if getattr(args, name) < least:
            flag = f"--{name.replace('_', '-')}"
            raise SettingsError(flag, f"got {getattr(args, name)}", f"give at least {least}")
    if min(args.workers) < 1:
        raise SettingsError("--workers", f"got {min(args.workers)}", "give at least 1")
    torch.set_num_threads(1)  # before a course is made: its trials elsewhere have as many
    shutil.rmtree(args.work / "ways", ignore_errors=True)
    settings = _settings(args)
    _prepare(args, settings)
    plain = [_plain(args, settings, processes) for processes in sorted({1, args.processes})]
    ways = [*plain, *(_on_ray(args, settings, workers) for workers in args.workers)]
    print(_text(ways, plain[-1], args))
    write_json(args.json, {"ways": [asdict(way) for way in ways]})
    return 0


def _settings(args: argparse.Namespace) -> TrainSettings:
    return from_plain(
        {
            "data": {"dataset_path": [str(args.work / "scenes")], "num_workers": 0,
                     "val_fraction": 0.3},
            "model": {"backbone": args.backbone, "num_experts": 3, "pretrained": False},
            "schedule": {"skip_stage1": True, "epochs": 1, "stage2_lr": 0.001,
                         "scheduler": "none", "stage3_epochs": 1, "stage3_lr": 0.00001,
                         "img_size": args.img_size, "batch_size": 2, "stage2_batch_size": 2,
                         "accumulation_steps": 1, "progressive_unfreeze": False},
            "run": {"device": "cpu", "checkpoint_dir": args.work / "base"},
        }
    )  # fmt: skip


def _prepare(args: argparse.Namespace, settings: TrainSettings) -> None:
    """The images and the stalled run that all ways set out from."""
    shutil.rmtree(args.work / "scenes", ignore_errors=True)
    shutil.rmtree(args.work / "base", ignore_errors=True)
    make_folder(args.work)
    write_scenes(
        args.work / "scenes", train=args.images, test=4, size=args.img_size, noncam_share=0.0,
        seed=0, on_progress=lambda _done, _of: None,
    )  # fmt: skip
    splits = find_splits(settings.data, args.work / "census.json", lambda _done, _of: None)
    stall(
        settings, splits, open_runtime("cpu", "fp32"),
        stop=str, clock=time.monotonic, on_event=lambda _event: None,
    )  # fmt: skip


def _course(settings: TrainSettings, epochs: int, root: Path) -> Course:
    base = held_stall(settings)
    assert base is not None
    make_folder(root.parent)
    census = root.with_suffix(".census.json")
    splits = find_splits(settings.data, census, lambda _done, _of: None)
    return course_of(
        root, base.path, settings, base.checkpoint, splits, open_runtime("cpu", "fp32"),
        epochs=epochs, stop=str, clock=time.monotonic,
    )  # fmt: skip


def _branches(count: int) -> tuple[Branch, ...]:
    """The control, its twin, and rates so alike that none falls behind and is dropped."""
    rates = (
        Branch(f"rate-{n}", "?", {"schedule": {"stage2_lr": 1e-5 * (1 + n / 100)}})
        for n in range(1, count - 1)
    )
    return (Branch(CONTROL, "nothing?"), Branch(TWIN, "chance?", {"run": {"seed": 1}}), *rates)


def _plain(args: argparse.Namespace, settings: TrainSettings, processes: int) -> _Way:
    branches, root = _branches(args.branches), args.work / "ways" / f"plain-{processes}"
    parts = [branches[n::processes] for n in range(processes)]
    began = time.monotonic()
    with ProcessPoolExecutor(processes, mp_context=clean_context()) as pool:
        work = partial(_train_part, settings, args.trial_epochs)
        list(pool.map(work, [root / str(n) for n in range(processes)], parts))
    seconds = time.monotonic() - began
    name = "1 plain process" if processes == 1 else f"{processes} plain processes"
    return _Way(name, seconds, _trained(root))


def _train_part(
    settings: TrainSettings, epochs: int, root: Path, branches: Sequence[Branch]
) -> None:
    """From rung to rung, as the race does, but for looking at the others."""
    torch.set_num_threads(1)
    course = _course(settings, epochs, root)
    open_race(course, branches)
    for rung in range((epochs + 1) // 2, epochs + 1):
        for branch in branches:
            advance(course, branch, rung, lambda _event: None)


def _on_ray(args: argparse.Namespace, settings: TrainSettings, workers: int) -> _Way:
    root = args.work / "ways" / f"ray-{workers}"
    began = time.monotonic()
    ray.init(
        address="local", num_cpus=workers, num_gpus=0, include_dashboard=False,
        log_to_driver=False, logging_level=logging.ERROR, object_store_memory=100 * 2**20,
    )  # fmt: skip
    try:
        course, branches = _course(settings, args.trial_epochs, root), _branches(args.branches)
        open_race(course, branches)
        share = Share(cpus=1)
        where = place_of(OnRay(), share, root, device="cpu", precision="fp32", threads=1)
        with where as place:
            trials = RemoteTrials(place.runner, place.device, "fp32", print)
            Race(course, branches, True, _nobody, print, trials).run()
    finally:
        ray.shutdown()
    return _Way(
        f"Ray, {workers} worker{'s' * (workers > 1)}", time.monotonic() - began, _trained(root)
    )


def _nobody(name: str, event: Event) -> None: ...


def _trained(root: Path) -> int:
    journals = [read_journal(path) for path in root.rglob("journal.jsonl")]
    return sum(line["kind"] == "epoch" for journal in journals for line in journal)


def _text(ways: Sequence[_Way], other: _Way, args: argparse.Namespace) -> str:
    rows: list[list[Any]] = [
        [way.name, f"{way.seconds:.1f}", str(way.epochs), f"{way.per_epoch / other.per_epoch:.2f}"]
        for way in ways
    ]
    header = ["way", "seconds", "epochs", f"of {other.name}"]
    return (
        f"{epoch_rows(header, rows)}\n"
        f"{args.branches} branches of {args.trial_epochs} epochs, {args.images} images of"
        f" {args.img_size} px, {args.backbone}, one thread each; from the start of the processes to"
        " the last score; the last column is of the time an epoch takes"
    )
