"""All that changes while a run trains, as one object that goes into a checkpoint and comes back."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from decamo import __version__
from decamo.history import EpochRecord
from decamo.nn import Segmenter
from decamo.plan import Ledger, Position
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.storage import FORMAT
from decamo.training.ema import Ema
from decamo.training.groups import load_optimiser_state, optimiser_state
from decamo.training.scaler import GuardedScaler

__all__ = ["Best", "EpochSums", "TrainState"]


@dataclass(frozen=True)
class Best:
    """The best validation score so far, and the images it was taken on."""

    iou: float = -1.0
    epoch: int = 0
    images: str = ""


@dataclass(frozen=True)
class EpochSums:
    """What the epoch under way has added up, for its record: sums over images."""

    images: int = 0
    parts: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, images: int, parts: dict[str, float], seconds: float) -> "EpochSums":
        """These sums and one more step; ``parts`` are means over its images."""
        names = self.parts.keys() | parts.keys()
        summed = {n: self.parts.get(n, 0.0) + parts.get(n, 0.0) * images for n in sorted(names)}
        return EpochSums(self.images + images, summed, self.seconds + seconds)

    def means(self) -> dict[str, float]:
        """Means over the images."""
        return {name: total / max(self.images, 1) for name, total in self.parts.items()}


@dataclass
class TrainState:
    """A run between two optimiser steps."""

    model: Segmenter
    optimiser: torch.optim.Optimizer
    scaler: GuardedScaler
    ema: Ema | None
    ledger: Ledger
    position: Position = field(default_factory=Position)
    sums: EpochSums = field(default_factory=EpochSums)
    history: list[EpochRecord] = field(default_factory=list)
    best: Best = field(default_factory=Best)
    bad_steps: int = 0

    @property
    def shipped(self) -> Segmenter:
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
            "generators": _generators(),
            "ledger": self.ledger.to_plain(),
            "position": asdict(self.position),
            "sums": asdict(self.sums),
            "history": [record.to_plain() for record in self.history],
            "best": asdict(self.best),
            "bad_steps": self.bad_steps,
        }

    def load_weights(self, plain: dict[str, Any]) -> None:
        """Weights of the model and, where both have one, of its average."""
        self.model.load_state_dict(plain["model"])
        if self.ema is not None:
            self.ema.model.load_state_dict(plain["model"])
            if plain["ema"] is not None:
                self.ema.load(plain["ema"])

    def load_moments(self, plain: dict[str, Any]) -> None:
        """Adam's moments and the loss scale."""
        load_optimiser_state(self.model, self.optimiser, plain["optimiser"])
        self.scaler.load(plain["scaler"])

    def load_past(self, plain: dict[str, Any], *, same_validation: str) -> None:
        """History, best score (if it was taken on the same images) and generators."""
        self.history = [EpochRecord.from_plain(r) for r in plain["history"]]
        best = Best(**plain["best"])
        self.best = best if best.images == same_validation else Best(images=same_validation)
        self.bad_steps = plain["bad_steps"]
        _restore_generators(plain["generators"])

    def load_epoch_under_way(self, plain: dict[str, Any]) -> None:
        """Sums of an interrupted epoch, to end it with the record it would have had."""
        self.sums = replace(EpochSums(), **plain["sums"])


def _generators() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _restore_generators(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["cpu"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
