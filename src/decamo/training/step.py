"""One optimiser step: accumulate, clip, update, average."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from decamo.data.loader import Batch
from decamo.losses import Criterion
from decamo.nn import Segmenter
from decamo.training.ema import Ema
from decamo.training.runtime import Runtime
from decamo.training.scaler import GuardedScaler

__all__ = ["Outcome", "Stepper"]


@dataclass(frozen=True)
class Outcome:
    """What an optimiser step came to.

    Attributes:
        parts: each named loss term, mean over the images of the step.
        grad_norm: norm of the gradient before clipping.
        skipped: whether the weights stayed because the gradient was not finite.
    """

    parts: Mapping[str, float]
    grad_norm: float
    skipped: bool

    @property
    def loss(self) -> float:
        """The total: the sum of the parts."""
        return sum(self.parts.values())


@dataclass
class Stepper:
    """What an optimiser step needs, put together once.

    Attributes:
        model: on the runtime's device.
        criterion: the loss.
        optimiser: its groups' learning rates are set by the caller.
        scaler: loss scaling.
        ema: moving average, or None.
        runtime: device and ranks.
        clip_grad: largest gradient norm; 0 does not clip.
        side_outputs: whether every pyramid level's prediction is trained.
    """

    model: Segmenter
    criterion: Criterion
    optimiser: torch.optim.Optimizer
    scaler: GuardedScaler
    ema: Ema | None
    runtime: Runtime
    clip_grad: float
    side_outputs: bool

    def step(self, batches: Iterable[Batch], images: int) -> Outcome:
        """Train on some micro-batches as if they were one batch.

        Args:
            batches: this process's micro-batches; any may be empty.
            images: images in all of them over all processes. Each micro-batch weighs by its size,
                so that a short last group counts every image alike.
        """
        sums: dict[str, torch.Tensor] = {}
        for batch in batches:
            if batch.size:
                for name, part in self._backward(batch, batch.size / images).items():
                    sums[name] = sums.get(name, torch.zeros_like(part)) + part
        return self._update(self._shared(sums))

    def _backward(self, batch: Batch, weight: float) -> dict[str, torch.Tensor]:
        batch = batch.to(self.runtime.device)
        image, mask = self.model.normalise(batch.image), batch.mask.float()
        with self.runtime.autocast():
            prediction = self.model(image, side_outputs=self.side_outputs)
            losses = self.criterion(prediction, mask)
        self.scaler.scale(losses.total * weight).backward()
        return {name: part.detach() * weight for name, part in losses.parts.items()}

    def _shared(self, sums: dict[str, torch.Tensor]) -> dict[str, float]:
        if self.runtime.world == 1:
            return {name: float(part) for name, part in sums.items()}
        names = list(self.criterion.weights)  # all ranks', also where every batch was empty
        zero = torch.zeros((), device=self.runtime.device)
        total = self.runtime.sum(torch.stack([sums.get(n, zero) for n in names]))
        return dict(zip(names, total.tolist(), strict=True))

    def _update(self, parts: dict[str, float]) -> Outcome:
        self.runtime.sum_gradients(self.model.parameters())
        self.runtime.average(self.model.usage_buffers())
        self.scaler.unscale(self.optimiser)
        learning = [p for p in self.model.parameters() if p.grad is not None]
        norm = float(nn.utils.clip_grad_norm_(learning, self.clip_grad or float("inf")))
        finite = norm < float("inf")  # NaN compares false
        self.scaler.step(self.optimiser, finite)
        self.optimiser.zero_grad(set_to_none=True)
        if finite and self.ema is not None:
            self.ema.update(self.model)
        return Outcome(parts, norm, not finite)
