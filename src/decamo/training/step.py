"""One optimizer step: accumulate, follow a teacher, clip, update, average."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from decamo.data.dataset import Batch
from decamo.errors import CheckpointError, CheckpointMismatch
from decamo.inference.load_model import load_model
from decamo.inference.loaded import Loaded
from decamo.losses import Criterion, Losses
from decamo.nn import NetworkOutput, SegmentationNetwork
from decamo.nn.dense_products import by_onednn, laid_for_onednn
from decamo.settings import TrainSettings
from decamo.settings.loss_weights import loss_weights_of
from decamo.training.runtime import OutOfMemory, Runtime, is_out_of_memory
from decamo.training.state import Ema, GuardedScaler, generator_states, restore_generators

__all__ = [
    "StepOutcome",
    "Stepper",
    "Teacher",
    "followed_teacher",
    "load_taught",
    "load_teacher",
]


@dataclass(frozen=True)
class Teacher:
    """Says of each training image, as it was augmented, what it would predict.

    Attributes:
        model: in evaluation mode, on the runtime's device; it never learns.
        img_size: side of the images that it was trained on, in px.
    """

    model: SegmentationNetwork
    img_size: int

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Logits ``[B,1,H,W]`` for uint8 RGB ``[B,3,H,W]``, without gradient.

        It sees the image enlarged or shrunk to the size that it knows.
        """
        scale = self.img_size / image.shape[-1]
        logits: Tensor = self.model(self.model.normalize(image), scale=scale).logits
        return logits


def load_taught(path: Path, network: str = "", flag: str = "--teacher") -> Loaded:
    """The network of a checkpoint that a run learns from.

    Args:
        path: of the checkpoint.
        network: ``FILE.py:FUNCTION``, where its network comes from a file.
        flag: that names the checkpoint.

    Raises:
        CheckpointError: the file is missing, damaged or foreign.
    """
    try:
        return load_model(path, network)
    except CheckpointError as error:
        remedy = "name a checkpoint of decamo train"
        if isinstance(error, CheckpointMismatch):
            own = "--teacher-network " if flag == "--teacher" else "--network "
            remedy = error.remedy.replace("--network ", own)
        raise type(error)(f"{flag} {path}", error.got, remedy) from error


def followed_teacher(settings: TrainSettings) -> Path | None:
    """The checkpoint whose maps a run follows; None where its term of the loss weighs nothing.

    A teacher that is not followed may still label photographs.
    """
    weighs = loss_weights_of(settings.optimise.loss_weights).get("teacher", 1.0) > 0
    return settings.optimise.teacher if weighs else None


def load_teacher(path: Path, device: torch.device, network: str = "") -> Teacher:
    """The network of a checkpoint, to be followed.

    Args:
        path: of the checkpoint.
        device: where it is to live.
        network: ``FILE.py:FUNCTION``, where its network comes from a file.

    Raises:
        CheckpointError: the file is missing, damaged or foreign.
    """
    loaded = load_taught(path, network)
    model = loaded.model.to(device)
    model.requires_grad_(False)
    return Teacher(model, loaded.img_size)


@dataclass(frozen=True)
class StepOutcome:
    """What an optimizer step came to.

    Attributes:
        parts: each named loss term, mean over the images of the step.
        grad_norm: norm of the gradient before clipping; NaN where the loss was not finite.
        skipped: whether everything stayed because loss or gradient was not finite.
    """

    parts: dict[str, float]
    grad_norm: float
    skipped: bool

    @property
    def loss(self) -> float:
        """The total: the sum of the parts."""
        return sum(self.parts.values())


@dataclass
class _Sums:
    """What the micro-batches of a step add up to, weighted so that the sums are means."""

    parts: dict[str, torch.Tensor] = field(default_factory=dict)
    gates: torch.Tensor | None = None

    def add(self, parts: dict[str, torch.Tensor], gates: torch.Tensor) -> None:
        for name, part in parts.items():
            self.parts[name] = self.parts[name] + part if name in self.parts else part
        self.gates = gates if self.gates is None else self.gates + gates


@dataclass
class Stepper:
    """What an optimizer step needs, put together once.

    Attributes:
        model: on the runtime's device.
        criterion: the loss.
        optimizer: its groups' learning rates are set by the caller.
        scaler: loss scaling.
        ema: moving average, or None.
        runtime: device and ranks.
        clip_grad: largest gradient norm; 0 does not clip.
        side_outputs: whether every pyramid level's prediction is trained.
        teacher: followed beside the masks, or None.
    """

    model: SegmentationNetwork
    criterion: Criterion
    optimizer: torch.optim.Optimizer
    scaler: GuardedScaler
    ema: Ema | None
    runtime: Runtime
    clip_grad: float
    side_outputs: bool
    teacher: Teacher | None = None

    def step(
        self, batches: Sequence[Batch], images: int, micro_batch_splits: int = 1, scale: float = 1.0
    ) -> StepOutcome:
        """Train on some micro-batches as if they were one batch.

        Args:
            batches: this process's micro-batches; any may be empty.
            images: images in all of them over all processes. Each micro-batch weighs by its size,
                so that a short last group counts every image alike.
            micro_batch_splits: in how many pieces each micro-batch goes through the network.
            scale: at which the network sees the images.

        Raises:
            OutOfMemory: in any process, it did not fit. Unless ``torn``, nothing has changed:
                no gradient is left and the generators are where they were.
        """
        sums = self._accumulate(batches, images, micro_batch_splits, scale)
        try:
            return self._update(sums)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise OutOfMemory(torn=True) from error
            raise

    def loss_is_finite(self, batch: Batch) -> bool:
        """Whether the loss of a micro-batch is finite as the weights are now; nothing moves."""
        _, losses = self._forward(batch.to(self.runtime.device), scale=1.0)
        return math.isfinite(float(losses.total))

    def _forward(self, batch: Batch, scale: float) -> tuple[NetworkOutput, Losses]:
        image, mask = self.model.normalize(batch.image), batch.mask.float()
        image = laid_for_onednn(self.model, image)
        with self.runtime.autocast():
            taught = None if self.teacher is None else self.teacher(batch.image)
            prediction = self.model(image, side_outputs=self.side_outputs, scale=scale)
            return prediction, self.criterion(prediction, mask, taught)

    def _accumulate(
        self, batches: Sequence[Batch], images: int, micro_batch_splits: int, scale: float
    ) -> _Sums:
        before, failed = generator_states(), False
        sums = _Sums()
        try:
            with by_onednn(self.model, self.runtime.device):
                for batch in batches:
                    for piece in _cut(batch, micro_batch_splits):
                        self._backward(piece, piece.size / images, scale, sums)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            failed = True
        if self.runtime.any(failed):  # another process must not wait for this one's gradients
            sums = _Sums()  # it holds tensors of the failed pass
            self.optimizer.zero_grad(set_to_none=True)
            restore_generators(before)
            raise OutOfMemory(torn=False)
        return sums

    def _backward(self, batch: Batch, weight: float, scale: float, sums: _Sums) -> None:
        batch = batch.to(self.runtime.device, non_blocking=True)
        prediction, losses = self._forward(batch, scale)
        self.scaler.scale(losses.total * weight).backward()
        sums.add(
            {name: part.detach() * weight for name, part in losses.parts.items()},
            prediction.gates.detach().mean(1) * weight,
        )

    def _shared(self, sums: _Sums) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss terms, in the order of the weights, and mean gates, over all processes."""
        names = self.criterion.weights  # all ranks', also where every batch was empty
        zero = torch.zeros((), device=self.runtime.device)
        parts = self.runtime.sum(torch.stack([sums.parts.get(n, zero) for n in names]))
        gates = torch.zeros_like(self.model.usage()) if sums.gates is None else sums.gates
        return parts, self.runtime.sum(gates)

    def _update(self, sums: _Sums) -> StepOutcome:
        told, gates = self._shared(sums)
        self.runtime.sum_gradients(self.model.parameters())
        if self.runtime.world > 1:  # each process's BatchNorm has followed its own images
            self.runtime.average(_running(self.model))
        self.scaler.unscale(self.optimizer)
        learning = [p for p in self.model.parameters() if p.grad is not None]
        whole = nn.utils.get_total_norm([p.grad for p in learning if p.grad is not None])
        # The only time in a step that the host waits for the device: what it decides by.
        *losses, norm = torch.cat((told, whole.to(told)[None])).tolist()
        parts = dict(zip(self.criterion.weights, losses, strict=True))
        if not math.isfinite(sum(losses)):  # nothing that a smaller scale could mend
            self.optimizer.zero_grad(set_to_none=True)
            return StepOutcome(parts, math.nan, skipped=True)
        finite = math.isfinite(norm)
        if finite and self.clip_grad and norm > self.clip_grad - _CLIPPED:
            nn.utils.clip_grads_with_norm_(learning, self.clip_grad, whole)
        self.scaler.step(self.optimizer, finite)
        self.optimizer.zero_grad(set_to_none=True)
        if finite:
            self.model.follow_usage(gates)
            if self.ema is not None:
                self.ema.update(self.model)
        return StepOutcome(parts, norm, skipped=not finite)


# torch divides by the norm and this much more: what is shorter it would multiply by 1.
_CLIPPED = 1e-6


def _running(model: SegmentationNetwork) -> Iterator[Tensor]:
    """Running statistics that forward passes change."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.training and module.track_running_stats:
            yield from (b for b in (module.running_mean, module.running_var) if b is not None)


def _cut(batch: Batch, micro_batch_splits: int) -> Iterator[Batch]:
    """The batch in at most ``micro_batch_splits`` parts of nearly equal size; none if empty."""
    if batch.size:
        size = -(-batch.size // micro_batch_splits)
        for i in range(0, batch.size, size):
            part = slice(i, i + size)
            yield Batch(batch.image[part], batch.mask[part], batch.keys[part])
