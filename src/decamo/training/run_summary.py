"""What a run says of itself: its first lines, the journal's line, and what came of it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from decamo.data.arena import batch_bytes, reading_line
from decamo.nn.weights import named
from decamo.schedule import review
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.settings.words import counted, verb
from decamo.training.prepare import Prepared

__all__ = [
    "run_line",
    "run_outcome",
    "startup_summary",
]


def run_line(settings: TrainSettings, prepared: Prepared) -> dict[str, Any]:
    """The journal's line for a start or a resume."""
    kind, reason = prepared.resumption.told
    return {
        "word": kind.value,
        "reason": reason,
        "settings": to_plain(settings),
        "ledger": prepared.resumption.lineage.to_plain(),
        "train_images": len(prepared.splits.train),
        "pseudo_labelled": prepared.splits.pseudo,
        "val_images": len(prepared.splits.val),
        "unreadable": {str(bad.path): bad.reason for bad in prepared.splits.bad},
        "orphans": [str(path) for path in prepared.splits.orphans],
        "device": str(prepared.trainer.runtime.device),
        "dtype": str(prepared.trainer.runtime.dtype or "torch.float32"),
    }


def run_outcome(prepared: Prepared, stopped: str) -> dict[str, Any]:
    """What came of a run, for ``--json``.

    Args:
        prepared: with the trainer after it has run.
        stopped: why before its end; empty for none.
    """
    state = prepared.trainer.state
    kind, reason = prepared.resumption.told
    best = prepared.trainer.folder.best
    return {
        "word": kind.value,
        "reason": reason,
        "epoch": state.position.epoch,
        "step": state.position.step,
        "stopped": stopped,
        "best_iou": state.best.iou if state.best.epoch else None,
        "best_epoch": state.best.epoch or None,
        "best_model": str(best) if best.exists() else None,
        "epochs": [record.to_plain() for record in state.history],
    }


_MOST_NAMED = 10  # files named one by one


def startup_summary(settings: TrainSettings, prepared: Prepared, journal: Path) -> Iterator[str]:
    """The images, the network, how the run starts or goes on, and warnings.

    Args:
        settings: of the run.
        prepared: the trainer, not yet run.
        journal: where all the files left out are named.
    """
    images, trainer, resumption = prepared.splits, prepared.trainer, prepared.resumption
    yield from images.sources
    yield from images.notes
    for warning in images.warnings:
        yield f"warning: {warning}"
    left_out = [f"{bad.path}: {bad.reason}" for bad in images.bad]
    left_out += [f"{orphan}: no partner of that name" for orphan in images.orphans]
    for line in left_out[:_MOST_NAMED]:
        yield f"left out: {line}"
    if len(left_out) > _MOST_NAMED:
        yield f"left out: {len(left_out) - _MOST_NAMED} more; all are in {journal}"
    pseudo = f", {images.pseudo} of them under pseudo-labels" if images.pseudo else ""
    yield (
        f"{counted(len(images.train), 'image trains', 'images train')}{pseudo}, {len(images.val)}"
        f" {verb(len(images.val))} held out of them"
        f" for validation; left out: {images.dropped} without an object, {len(images.bad)}"
        " unreadable"
    )
    if (before := trainer.state.best_before) is not None:
        yield (
            "warning: the best score begins anew, for the images that validate are not those of the"
            f" checkpoint: IoU {before.iou:.4f} of epoch {before.epoch} was taken on others"
        )
    model = trainer.state.model
    parameters = sum(p.numel() for p in model.parameters())
    yield (
        f"{model.title}:"
        f" {parameters / 1e6:.2f} M parameters, on {trainer.runtime.device}"
        f" in {trainer.runtime.dtype or 'torch.float32'}"
    )
    yield from model.notes()
    if settings.optimise.deep_supervision and not model.gives_sides:
        yield "warning: --deep-supervision has no effect: the network returns one map alone"
    plan = resumption.lineage.plan
    first, last = resumption.position.step, plan.end_step - 1
    kind, reason = resumption.told
    yield (
        f"{kind}: epoch {resumption.position.epoch + 1} to {plan.last_epoch}, step"
        f" {first} to {last}, LR {plan.lr(first):.6f} -> {plan.lr(last):.6f}"
        f" ({reason})"
    )
    if without := trainer.state.without_moments:
        yield f"Adam begins anew, without moments in the checkpoint, for {named(without)}"
    yield _reading(settings, prepared)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores and settings.data.num_workers > cores:
        yield f"warning: --num-workers {settings.data.num_workers} on {cores} cores; {cores} do"
    for warning in review(resumption.lineage, resumption.position):
        yield f"warning: {warning}"


def _reading(settings: TrainSettings, prepared: Prepared) -> str:
    """Who reads and what that takes, in the stage ahead that takes most."""
    resumption, workers = prepared.resumption, settings.data.num_workers
    ahead = [
        stage
        for stage in resumption.lineage.plan.stages
        if stage.last_epoch > resumption.position.epoch
    ]
    most = max(ahead, key=lambda stage: batch_bytes(workers, stage.micro_batch, stage.img_size))
    return f"reading: {reading_line(workers, most.micro_batch, most.img_size)}"
