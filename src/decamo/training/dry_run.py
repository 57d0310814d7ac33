"""A rehearsal of all that a run will do, and a timed step, before hours are spent.

The memory is the parameters, their gradients, Adam's two moments, the moving average and a
teacher's parameters if there are such, and what the forward pass keeps for the backward pass,
counted tensor by tensor. The allocator of a GPU and its workspaces come on top, as a rule 10 to
30 %.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

import torch

from decamo.checkpoint.load_save import load_checkpoint, save_checkpoint
from decamo.data.dataset import Batch
from decamo.data.waiting import StopAsked
from decamo.errors import MemoryExhausted, StorageError
from decamo.inference.predictor import Predictor
from decamo.losses import Criterion
from decamo.nn import SegmentationNetwork, build_network
from decamo.nn.dense_products import by_onednn, laid_for_onednn
from decamo.nn.segmentation_network import TorchModule
from decamo.schedule import DryRun, RehearsedStage, Spending, Stage
from decamo.settings import TrainSettings
from decamo.settings.loss_weights import loss_weights_of
from decamo.storage import check_space, run_bytes
from decamo.system import peak_memory
from decamo.training.runtime import OutOfMemory, Runtime, open_runtime, release
from decamo.training.step import Teacher, followed_teacher, load_teacher
from decamo.training.trainer import Trainer

__all__ = [
    "Probe",
    "bytes_kept",
    "measured",
    "rehearse",
]

_REPEATS = 3  # timed passes; the fastest counts, since everything else on a machine only slows


def measured(
    settings: TrainSettings, images: int, ahead: list[tuple[Stage, Spending]]
) -> list[Spending]:
    """The spending of stages with time and memory of a micro-batch of each, here and now.

    Args:
        settings: of the run.
        images: that train.
        ahead: stages, each with what is known of its spending already.
    """
    runtime = open_runtime(settings.run.device, settings.run.precision)
    return [_measured(settings, images, s, spending, runtime) for s, spending in ahead]


def _measured(
    settings: TrainSettings, images: int, stage: Stage, spending: Spending, runtime: Runtime
) -> Spending:
    model = build_network(settings.model, sizes=[stage.img_size], initialize=False, seed=0)
    model.to(runtime.device).train()
    model.gradient_checkpointing = settings.model.gradient_checkpointing
    model.set_learning(stage.learning(stage.end_step - 1))  # the most that ever learns
    path = followed_teacher(settings)
    named = settings.optimise.teacher_network
    teacher = None if path is None else load_teacher(path, runtime.device, named)
    sides = settings.optimise.deep_supervision and model.gives_sides
    weights = loss_weights_of(settings.optimise.loss_weights)
    probe = Probe(model, sides, runtime, weights, teacher)
    shape, scales = (stage.micro_batch, stage.img_size), settings.optimise.multi_scale
    kept = probe.kept_bytes(*shape, max(scales))
    seconds = statistics.fmean(
        min(probe.seconds(*shape, scale) for _ in range(_REPEATS)) for scale in scales
    )
    micro_batches = -(-images // (stage.micro_batch * runtime.world))
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    everything = sum(p.numel() for p in model.parameters())
    followed = 0 if teacher is None else sum(p.numel() for p in teacher.model.parameters())
    copies = everything * (2 if settings.optimise.use_ema else 1) + learning * 3 + followed
    return replace(
        spending,
        seconds_per_epoch=seconds * micro_batches,
        memory_bytes=copies * 4 + kept,
        source=f"a micro-batch timed on {runtime.device}; validation and reading come on top",
    )


@dataclass(frozen=True)
class Probe:
    """Forward and backward passes over grey images.

    Attributes:
        model: put into the mode, and with the groups learning, that are to be measured.
        side_outputs: whether every pyramid level's prediction is trained.
        runtime: device and number format.
        loss_weights: of the criterion's terms that have not their usual ones.
        teacher: followed beside the masks, or None.
    """

    model: SegmentationNetwork
    side_outputs: bool
    runtime: Runtime
    loss_weights: Mapping[str, float] | None = None
    teacher: Teacher | None = None

    def kept_bytes(self, batch: int, size: int, scale: float = 1.0) -> int:
        """Bytes that the forward pass keeps for the backward pass, each storage counted once."""
        with by_onednn(self.model, self.runtime.device):
            return bytes_kept(self.model, lambda: self._loss(batch, size, scale))

    def seconds(self, batch: int, size: int, scale: float = 1.0) -> float:
        """Time of one forward and backward pass."""
        self._wait()
        began = time.perf_counter()
        with by_onednn(self.model, self.runtime.device):  # as training computes
            self._loss(batch, size, scale).backward()
        self.model.zero_grad(set_to_none=True)
        self._wait()
        return time.perf_counter() - began

    def _loss(self, batch: int, size: int, scale: float) -> torch.Tensor:
        device = self.runtime.device
        pixels = torch.full((batch, 3, size, size), 128, dtype=torch.uint8, device=device)
        mask = torch.zeros(batch, 1, size, size, device=device)
        mask[:, :, : size // 2] = 1
        criterion = Criterion(
            self.side_outputs,
            self.loss_weights,
            self.teacher is not None,
            auxiliary=self.model.gives_auxiliary,
        )
        with self.runtime.autocast():
            taught = None if self.teacher is None else self.teacher(pixels)
            image = laid_for_onednn(self.model, self.model.normalize(pixels))
            prediction = self.model(image, side_outputs=self.side_outputs, scale=scale)
            total: torch.Tensor = criterion(prediction, mask, taught).total
        return total

    def _wait(self) -> None:
        if self.runtime.device.type == "cuda":
            torch.cuda.synchronize(self.runtime.device)


def bytes_kept(model: TorchModule, compute: Callable[[], torch.Tensor]) -> int:
    """Bytes that a computation keeps for its backward pass, each storage counted once.

    Args:
        model: its parameters are there anyway and do not count.
        compute: gives what the backward pass would start from.
    """
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = compute()
    total = sum(nbytes for address, nbytes in kept.items() if address not in own)
    del result  # until here its graph keeps the addresses apart
    return total


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
