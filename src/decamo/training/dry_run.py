"""A rehearsal of all that a run will do, before hours are spent on it."""

import time
from collections import defaultdict
from dataclasses import replace
from statistics import fmean

import torch

from decamo.checkpoint.load_save import load_checkpoint, save_checkpoint
from decamo.data.dataset import Batch
from decamo.data.waiting import StopAsked
from decamo.errors import MemoryExhausted, StorageError
from decamo.inference.predictor import Predictor
from decamo.schedule import DryRun, RehearsedStage, Stage
from decamo.storage import check_space, run_bytes
from decamo.system import peak_memory
from decamo.training.out_of_memory import OutOfMemory, release
from decamo.training.trainer import Trainer

__all__ = ["rehearse"]

_STEPS = 3  # timed at each scale, after one that lays out memory; the median counts
_IMAGES = 16  # validated for their time


def rehearse(trainer: Trainer) -> DryRun:
    """Try each stage that lies ahead, the last one first, a validation, a save and a load.

    The trainer is of no use afterwards: its moments have moved. Weights stay, nothing is left in
    the run folder.

    Raises:
        MemoryExhausted: not even single images fit.
        StorageError: there is no room, or what was read back is not what was written.
        UnreadableImage: a file cannot be read.
        DataStalled: one is not read to its end.
        StopAsked: while files were awaited there was a reason to stop.
    """
    done = trainer.state.position.epoch
    ahead = [s for s in trainer.state.lineage.plan.stages if s.last_epoch > done]
    stages = [_stage(trainer, stage, done) for stage in reversed(ahead)]
    val_seconds = _validation(trainer, ahead[-1])
    save_seconds, load_seconds, size = _round_trip(trainer)
    run, plan = trainer.settings.run, trainer.state.lineage.plan
    every = plan.last_epoch // run.keep_every if run.keep_every else 0
    needed = run_bytes(trainer.folder.root, size, snapshots=run.keep_last + every)
    check_space(trainer.folder.root, needed)
    return DryRun(tuple(reversed(stages)), val_seconds, save_seconds, load_seconds, size, needed)


def _stage(trainer: Trainer, stage: Stage, done: int) -> RehearsedStage:
    device = trainer.runtime.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    model = trainer.state.model.train()
    model.set_learning(stage.learning(stage.end_step - 1))  # the most that ever learns in it
    for group in trainer.stepper.optimizer.param_groups:
        group["lr"] = 0.0
    position = trainer.state.position
    scales = sorted(trainer.settings.optimise.multi_scale, reverse=True)
    micro_batch_splits, seconds = stage.micro_batch_splits, defaultdict(list)
    with trainer.training_batches.batches(stage, position.epoch + 1, position.micro) as batches:
        for scale in (scales[0], *scales * _STEPS):  # the largest first: it must fit
            began = time.perf_counter()
            held = batches.take(stage.accumulation, trainer.waiting)
            micro_batch_splits = _step(trainer, stage, held, micro_batch_splits, scale)
            seconds[scale].append(time.perf_counter() - began)
    return RehearsedStage(
        stage=stage.number,
        epochs=stage.last_epoch - max(done, stage.first_epoch - 1),
        steps=stage.steps_per_epoch,
        step_seconds=fmean(sorted(seconds[scale][-_STEPS:])[_STEPS // 2] for scale in scales),
        micro_batch_splits=micro_batch_splits,
        memory_bytes=_peak(device),
    )


def _step(
    trainer: Trainer, stage: Stage, held: list[Batch], micro_batch_splits: int, scale: float
) -> int:
    """One step, in as many pieces as it takes; returns how many those are."""
    images = max(sum(batch.size for batch in held) * trainer.runtime.world, 1)
    while True:
        try:
            trainer.stepper.step(held, images, micro_batch_splits, scale)
            if trainer.runtime.device.type == "cuda":
                torch.cuda.synchronize(trainer.runtime.device)
            return micro_batch_splits
        except OutOfMemory as short:
            torn = short.torn
        release(trainer.runtime.device)
        if torn or micro_batch_splits >= stage.micro_batch:
            image = f"not even one image of {stage.img_size} px fits"
            raise MemoryExhausted(
                f"stage {stage.number}",
                "the optimizer's update does not fit" if torn else image,
                "give --gradient-checkpointing, a smaller --img-size or a smaller --backbone",
            )
        micro_batch_splits = min(2 * micro_batch_splits, stage.micro_batch)


def _validation(trainer: Trainer, stage: Stage) -> float:
    predictor = Predictor(
        trainer.state.shipped, stage.img_size, trainer.runtime.device, trainer.runtime.dtype
    )
    pairs = trainer.validator.pairs
    some = pairs[:_IMAGES]
    validator = replace(trainer.validator, pairs=some, stop=lambda: "")
    began = time.perf_counter()
    for _ in validator.run(predictor, trainer.state.position.step):
        pass
    if validator.stalled is not None:
        raise validator.stalled
    if validator.why:
        raise StopAsked(validator.why)
    return (time.perf_counter() - began) * len(pairs) / len(some)


def _round_trip(trainer: Trainer) -> tuple[float, float, int]:
    """Seconds to save and to load, and bytes."""
    path = trainer.folder.rehearsal
    state = trainer.state.checkpoint(trainer.settings)
    try:
        began = time.perf_counter()
        save_checkpoint(path, state)
        saved = time.perf_counter()
        back = load_checkpoint(path)
        loaded = time.perf_counter()
        same = all(torch.equal(t.cpu(), back.weights[name]) for name, t in state.weights.items())
        if not same or back.position != state.position:
            raise StorageError(path, "what was read is not what was written", "use another disk")
        return saved - began, loaded - saved, path.stat().st_size
    finally:
        path.unlink(missing_ok=True)


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return peak_memory()
