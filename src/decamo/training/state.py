"""All that changes while a run trains, in memory and as plain values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from decamo import __version__
from decamo.data.rules import ReadingRule
from decamo.data.split_record import SplitRecord
from decamo.history import EpochRecord
from decamo.nn import SegmentationNetwork
from decamo.nn.weights import load_fitting
from decamo.schedule import Ledger, Position
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage.formats import FORMAT
from decamo.training.ema import Ema
from decamo.training.optimizer_groups import load_optimiser_state, optimiser_state
from decamo.training.scaler import GuardedScaler

__all__ = [
    "Best",
    "EpochSums",
    "TrainState",
    "generator_states",
    "restore_generators",
]


def generator_states() -> dict[str, Any]:
    """The state of the CPU's generator and of each GPU's, as tensors."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def restore_generators(states: dict[str, Any]) -> None:
    """The inverse of :func:`generator_states`; the GPUs' only where there are as many."""
    torch.set_rng_state(states["cpu"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


@dataclass(frozen=True)
class Best:
    """The best validation score so far, and the images it was taken on."""

    iou: float = -1.0
    epoch: int = 0
    images: str = ""


@dataclass(frozen=True)
class EpochSums:
    """What the epoch under way has added up, for its record: sums over images.

    ``lr`` has what the optimiser had at the epoch's first step, by group.
    """

    images: int = 0
    parts: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    skipped: int = 0
    lr: dict[str, float] = field(default_factory=dict)

    def add(
        self, images: int, parts: dict[str, float], seconds: float, skipped: bool = False
    ) -> "EpochSums":
        """These sums and one more step; ``parts`` are means over its images.

        The loss of a step that was left out does not count: it may not be finite.
        """
        if skipped:
            return replace(self, seconds=self.seconds + seconds, skipped=self.skipped + 1)
        names = self.parts.keys() | parts.keys()
        summed = {n: self.parts.get(n, 0.0) + parts.get(n, 0.0) * images for n in sorted(names)}
        return replace(
            self, images=self.images + images, parts=summed, seconds=self.seconds + seconds
        )

    def means(self) -> dict[str, float]:
        """Means over the images."""
        return {name: total / max(self.images, 1) for name, total in self.parts.items()}


@dataclass
class TrainState:
    """A run between two optimiser steps.

    Attributes:
        without_moments: what has learned before but had no moments in the checkpoint.
        images: what the run remembers of its images.
        known_as: all prints under which a checkpoint may know the images that validate now.
        best_before: the best score of the checkpoint, where it was taken on other images and so is
            none any more.
    """

    model: SegmentationNetwork
    optimiser: torch.optim.Optimizer
    scaler: GuardedScaler
    ema: Ema | None
    ledger: Ledger
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

    def to_plain(self, settings: TrainSettings) -> dict[str, Any]:
        """Tensors and plain values only: loadable with ``weights_only=True``."""
        return {
            "format": FORMAT,
            "decamo": __version__,
            "architecture": self.model.architecture,
            "settings": to_plain(settings),
            "model": self.model.state_dict(),
            "ema": self.ema.state() if self.ema is not None else None,
            "optimiser": optimiser_state(self.model, self.optimiser),
            "scaler": self.scaler.state(),
            "generators": generator_states(),
            "ledger": self.ledger.to_plain(),
            "position": asdict(self.position),
            "sums": asdict(self.sums),
            "history": [record.to_plain() for record in self.history],
            "best": asdict(self.best),
            "bad_steps": self.bad_steps,
            "images": self.images.to_plain(),
            "rules": {name: rule.to_plain() for name, rule in self.rules.items()},
        }

    def load_weights(self, plain: dict[str, Any], what: object = "--resume-from") -> None:
        """Weights of the model and, where both have one, of its average.

        Raises:
            CheckpointMismatch: they are those of another network.
        """
        load_fitting(self.model, plain["model"], what)
        if self.ema is not None:
            load_fitting(self.ema.model, plain["model"], what)
            if plain["ema"] is not None:
                load_fitting(self.ema.model, plain["ema"]["weights"], what)
                self.ema.load(plain["ema"])

    def load_moments(
        self, plain: dict[str, Any], what: object = "--resume-from"
    ) -> tuple[str, ...]:
        """Adam's moments and the loss scale.

        Returns:
            names of the parameters that have no moments yet.

        Raises:
            CheckpointMismatch: moments of another network.
        """
        without = load_optimiser_state(self.model, self.optimiser, plain["optimiser"], what)
        self.scaler.load(plain["scaler"])
        return without

    def load_past(self, plain: dict[str, Any]) -> None:
        """History, best score (if it was taken on the same images) and generators."""
        self.history = [EpochRecord.from_plain(r) for r in plain["history"]]
        best = Best(**plain["best"])
        same = best.images in self.known_as or best.images == self.best.images
        if same:
            self.best = replace(best, images=self.best.images)
        else:
            self.best = Best(images=self.best.images)
            self.best_before = best if best.epoch else None
        self.bad_steps = plain["bad_steps"]
        restore_generators(plain["generators"])

    def not_finite(self) -> list[str]:
        """Names of weights, averages and moments that hold a NaN or an infinity."""
        held = dict(self.model.state_dict())
        if self.ema is not None:
            held |= {f"ema.{name}": t for name, t in self.ema.model.state_dict().items()}
        for name, moments in optimiser_state(self.model, self.optimiser).items():
            held |= {f"optimiser.{name}.{k}": v for k, v in moments.items() if k != "step"}
        tensors = {n: t for n, t in held.items() if t.is_floating_point()}
        finite = torch.stack([t.isfinite().all() for t in tensors.values()])  # one wait for all
        return [name for name, good in zip(tensors, finite.tolist(), strict=True) if not good]

    def go_back(self, plain: dict[str, Any], ledger: Ledger, position: Position) -> None:
        """Be again what a checkpoint of this run holds, under another ledger.

        Args:
            plain: the checkpoint.
            ledger: in force from now on.
            position: the checkpoint's, or the begin of the epoch that was under way there.
        """
        self.optimiser.zero_grad(set_to_none=True)
        self.optimiser.state.clear()  # what had no moments then has none now
        self.load_weights(plain)
        self.load_moments(plain)
        self.load_past(plain)
        self.sums = EpochSums()
        if position.micro:
            self.load_epoch_under_way(plain)
        self.position, self.ledger = position, ledger
        self.bad_steps = 0

    def load_epoch_under_way(self, plain: dict[str, Any]) -> None:
        """Sums of an interrupted epoch, to end it with the record it would have had."""
        self.sums = replace(EpochSums(), **plain["sums"])
