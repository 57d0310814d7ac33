"""A stage's micro-batch, timed and counted on this machine; what it says stands in ``spending``.

The memory is the parameters, their gradients, Adam's two moments, the moving average if there is
one, and what the forward pass keeps for the backward pass, counted tensor by tensor. The allocator
of a GPU and its workspaces come on top, as a rule 10 to 30 %.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from decamo.losses import Criterion
from decamo.nn import SegmentationNetwork, build_network
from decamo.nn.segmentation_network import TorchModule
from decamo.schedule import Spending, Stage
from decamo.settings import TrainSettings
from decamo.training.runtime import Runtime, open_runtime
from decamo.training.teacher import Teacher, load_teacher

__all__ = ["Probe", "bytes_kept", "measured"]

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
    path = settings.optimise.teacher
    named = settings.optimise.teacher_network
    teacher = None if path is None else load_teacher(path, runtime.device, named)
    sides = settings.optimise.deep_supervision and model.gives_sides
    probe = Probe(model, sides, runtime, teacher=teacher)
    shape, scales = (stage.micro_batch, stage.img_size), settings.optimise.multi_scale
    kept = probe.kept_bytes(*shape, max(scales))
    seconds = statistics.fmean(
        min(probe.seconds(*shape, scale) for _ in range(_REPEATS)) for scale in scales
    )
    micro_batches = -(-images // (stage.micro_batch * runtime.world))
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    everything = sum(p.numel() for p in model.parameters())
    copies = everything * (2 if settings.optimise.use_ema else 1) + learning * 3
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
        loss_weights: of the criterion's terms, where they are not its own.
        teacher: followed beside the masks, or None.
    """

    model: SegmentationNetwork
    side_outputs: bool
    runtime: Runtime
    loss_weights: Mapping[str, float] | None = None
    teacher: Teacher | None = None

    def kept_bytes(self, batch: int, size: int, scale: float = 1.0) -> int:
        """Bytes that the forward pass keeps for the backward pass, each storage counted once."""
        return bytes_kept(self.model, lambda: self._loss(batch, size, scale))

    def seconds(self, batch: int, size: int, scale: float = 1.0) -> float:
        """Time of one forward and backward pass."""
        self._wait()
        began = time.perf_counter()
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
            image = self.model.normalize(pixels)
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
