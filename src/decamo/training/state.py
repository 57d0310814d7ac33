"""All that changes while a run trains: weights and their average, moments, loss scale, counters.

torch's GradScaler halves its scale at each non-finite step without end: after 166 of them the scale
underflows to zero, gradients are divided by zero, and the next good step destroys the weights. It
also keeps the scale on the device and asks for it, and for what it found there, at each step,
though the norm of the gradient, which a step reads anyway, says the same. So the scale is a number
here.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from decamo import __version__
from decamo.checkpoint import Best, Checkpoint, EmaWeights, EpochSums, Generators
from decamo.data.rules import ReadingRule
from decamo.data.split_record import SplitRecord
from decamo.history import EpochRecord
from decamo.nn import SegmentationNetwork
from decamo.nn.weights import load_fitting
from decamo.schedule import Lineage, Position
from decamo.settings import TrainSettings
from decamo.training.optimizer_groups import load_optimizer_state, optimizer_state

__all__ = [
    "FLOOR",
    "Ema",
    "GuardedScaler",
    "TrainState",
    "decay_at",
    "generator_states",
    "restore_generators",
]


def decay_at(updates: int, decay: float) -> float:
    """Decay of the next update: ``min(decay, (1 + n) / (10 + n))`` after ``n`` updates.

    The warm-up of TensorFlow's ExponentialMovingAverage: a young average follows the weights
    closely, so that its start has no say left when the decay reaches its final value.
    """
    return min(decay, (1 + updates) / (10 + updates))


class Ema:
    """A second model that follows the first; it starts as an exact copy, loaded weights included.

    Args:
        model: the model to follow.
        decay: final decay per optimizer step, in [0, 1).
    """

    def __init__(self, model: SegmentationNetwork, decay: float) -> None:
        self.model: SegmentationNetwork = copy.deepcopy(model).eval()
        self.model.requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: SegmentationNetwork) -> None:
        """Move the average towards ``model``: parameters by the decay, buffers by copy."""
        share = 1 - decay_at(self.updates, self.decay)
        averaged: list[torch.Tensor] = list(self.model.parameters())
        current: list[torch.Tensor] = list(model.parameters())
        torch._foreach_lerp_(averaged, current, share)
        for mine, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)
        self.updates += 1

    def state(self) -> EmaWeights:
        """For a checkpoint."""
        return EmaWeights(self.model.state_dict(), self.updates)

    def load(self, state: EmaWeights) -> None:
        """The inverse of :meth:`state`."""
        self.model.load_state_dict(state.weights)
        self.updates = state.updates


FLOOR = 1.0  # at scale 1 nothing is gained by scaling; what overflows there is truly not finite

# Those of torch.amp.GradScaler, under the names that its state has in checkpoints.
_FRESH: Mapping[str, float | int] = {
    "scale": 65536.0,
    "growth_factor": 2.0,
    "backoff_factor": 0.5,
    "growth_interval": 2000,
    "_growth_tracker": 0,
}


class GuardedScaler:
    """A gradient scaler that never falls below :data:`FLOOR`; without float16 it does nothing.

    Args:
        enabled: whether the forward pass is in float16.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._state = dict(_FRESH)

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        """The loss times the scale."""
        return loss * self._state["scale"] if self._enabled else loss

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the optimizer's gradients by the scale."""
        if self._enabled:
            every = [p.grad for group in optimizer.param_groups for p in group["params"]]
            gradients = [gradient for gradient in every if gradient is not None]
            if gradients:
                torch._foreach_mul_(gradients, 1 / self._state["scale"])

    def step(self, optimizer: torch.optim.Optimizer, finite: bool) -> None:
        """Update the weights where the gradient is finite, and adapt the scale."""
        if finite:
            optimizer.step()
        if self._enabled:
            self._adapt(finite)

    def _adapt(self, finite: bool) -> None:
        """Double the scale after many finite steps in a row, halve it after another."""
        state = self._state
        state["_growth_tracker"] = int(state["_growth_tracker"]) + 1 if finite else 0
        if not finite:
            state["scale"] = max(state["scale"] * state["backoff_factor"], FLOOR)
        elif state["_growth_tracker"] == state["growth_interval"]:
            grown = state["scale"] * state["growth_factor"]
            if grown <= torch.finfo(torch.float32).max:  # the loss has no larger number
                state["scale"] = grown
            state["_growth_tracker"] = 0

    def state(self) -> dict[str, float]:
        """Plain values for a checkpoint, named as torch's GradScaler names them."""
        return dict(self._state) if self._enabled else {}

    def load(self, state: Mapping[str, float]) -> None:
        """The inverse of :meth:`state`; a state from a run without float16 is passed over."""
        if state and self._enabled:
            self._state = {name: state[name] for name in _FRESH}


def generator_states() -> Generators:
    """The state of the CPU's generator and of each GPU's."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return Generators(torch.get_rng_state(), tuple(cuda))


def restore_generators(states: Generators) -> None:
    """The inverse of :func:`generator_states`; the GPUs' only where there are as many."""
    torch.set_rng_state(states.cpu)
    if states.cuda and len(states.cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states.cuda)


@dataclass
class TrainState:
    """A run between two optimizer steps.

    Attributes:
        without_moments: what has learned before but had no moments in the checkpoint.
        images: what the run remembers of its images.
        known_as: all prints under which a checkpoint may know the images that validate now.
        best_before: the best score of the checkpoint, where it was taken on other images and so is
            none any more.
    """

    model: SegmentationNetwork
    optimizer: torch.optim.Optimizer
    scaler: GuardedScaler
    ema: Ema | None
    lineage: Lineage
    position: Position = field(default_factory=Position)
    sums: EpochSums = field(default_factory=EpochSums)
    history: list[EpochRecord] = field(default_factory=list)
    best: Best = field(default_factory=Best)
    bad_steps: int = 0
    without_moments: tuple[str, ...] = ()
    images: SplitRecord = SplitRecord()
    known_as: frozenset[str] = frozenset()
    best_before: Best | None = None
    rules: Mapping[str, ReadingRule] = field(default_factory=dict)

    @property
    def shipped(self) -> SegmentationNetwork:
        """The weights that are validated and shipped: the average where there is one."""
        return self.ema.model if self.ema is not None else self.model

    def checkpoint(self, settings: TrainSettings) -> Checkpoint:
        """This state as a checkpoint that shares its tensors."""
        return Checkpoint(
            architecture=self.model.architecture,
            settings=settings,
            weights=self.model.state_dict(),
            ema=self.ema.state() if self.ema is not None else None,
            moments=optimizer_state(self.model, self.optimizer),
            scaler=self.scaler.state(),
            generators=generator_states(),
            lineage=self.lineage,
            position=self.position,
            sums=self.sums,
            history=tuple(self.history),
            best=self.best,
            bad_steps=self.bad_steps,
            images=self.images,
            rules=self.rules,
            written_by=__version__,
        )

    def load_weights(self, held: Checkpoint, what: object = "--resume-from") -> None:
        """Weights of the model and, where both have one, of its average.

        Raises:
            CheckpointMismatch: they are those of another network.
        """
        load_fitting(self.model, held.weights, what)
        if self.ema is not None:
            load_fitting(self.ema.model, held.weights, what)
            if held.ema is not None:
                load_fitting(self.ema.model, held.ema.weights, what)
                self.ema.load(held.ema)

    def load_moments(self, held: Checkpoint, what: object = "--resume-from") -> tuple[str, ...]:
        """Adam's moments and the loss scale.

        Returns:
            names of the parameters that have no moments yet.

        Raises:
            CheckpointMismatch: moments of another network.
        """
        without = load_optimizer_state(self.model, self.optimizer, held.moments, what)
        self.scaler.load(held.scaler)
        return without

    def load_history(self, held: Checkpoint) -> None:
        """History, best score (if it was taken on the same images) and generators."""
        self.history = list(held.history)
        best = held.best
        same = best.images in self.known_as or best.images == self.best.images
        if same:
            self.best = replace(best, images=self.best.images)
        else:
            self.best = Best(images=self.best.images)
            self.best_before = best if best.epoch else None
        self.bad_steps = held.bad_steps
        restore_generators(held.generators)

    def not_finite(self) -> list[str]:
        """Names of weights, averages and moments that hold a NaN or an infinity."""
        held = dict(self.model.state_dict())
        if self.ema is not None:
            held |= {f"ema.{name}": t for name, t in self.ema.model.state_dict().items()}
        for name, moments in optimizer_state(self.model, self.optimizer).items():
            held |= {f"optimizer.{name}.{k}": v for k, v in moments.items() if k != "step"}
        tensors = {n: t for n, t in held.items() if t.is_floating_point()}
        finite = torch.stack([t.isfinite().all() for t in tensors.values()])  # one wait for all
        return [name for name, good in zip(tensors, finite.tolist(), strict=True) if not good]

    def go_back(self, held: Checkpoint, lineage: Lineage, position: Position) -> None:
        """Be again what a checkpoint of this run holds, under another lineage.

        Args:
            held: the checkpoint.
            lineage: in force from now on.
            position: the checkpoint's, or the begin of the epoch that was under way there.
        """
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()  # what had no moments then has none now
        self.load_weights(held)
        self.load_moments(held)
        self.load_history(held)
        # an interrupted epoch ends with the record that it would have had
        self.sums = held.sums if position.micro else EpochSums()
        self.position, self.lineage = position, lineage
        self.bad_steps = 0
