"""What a run leaves behind: one record a step, one an epoch."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["EpochRecord", "StepRecord"]

_ROWS = ("usage", "routing_entropy", "routing_balance")  # lists of numbers in plain values


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step.

    Attributes:
        step: absolute number of the step, from 0.
        epoch: number of its epoch, from 1.
        loss: weighted total.
        parts: its named terms, already weighted.
        lr: learning rate of each group; 0 while frozen.
        grad_norm: norm of the gradient before clipping.
        skipped: whether the step was left out because its gradient was not finite.
    """

    step: int
    epoch: int
    loss: float
    parts: Mapping[str, float]
    lr: Mapping[str, float]
    grad_norm: float
    skipped: bool = False


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: its number, from 1.
        stage: number of its stage.
        step: absolute steps made by its end.
        loss: mean over the training images of the weighted total.
        parts: means of its named terms.
        iou: validation IoU, mean per image at native size and threshold 0.5.
        dice: validation Dice, likewise.
        mae: validation mean absolute error.
        lr: learning rate of each group at the epoch's first step.
        train_seconds: time spent in training steps.
        val_seconds: time spent in validation.
        img_size: training size in px.
        usage: running mean of each expert's gate, averaged over the pyramid levels.
        val_images: images validated on; 0 if unknown, as in records of earlier versions.
        iou_sd: standard deviation of the images' IoU.
        object_share: mean share of a validation image that is object.
        predicted_share: mean share of a validation image predicted as object.
        sure_wrong: share of the wrongly classified validation pixels whose probability is within
            0.01 of 0 or 1.
        skipped: optimizer steps left out because their gradient was not finite.
        gates: mean gate of each expert over the validation images, a row for each pyramid level;
            empty if unknown, as in records of earlier versions, like the next two.
        routing_entropy: of each level, the mean over the validation images of the entropy of an
            image's gates, as a share of the highest: 0 is one expert an image, 1 all alike.
        routing_balance: of each level, the entropy of the mean gates, likewise: 1 where all
            experts are used alike over the images, however few each image uses.
    """

    epoch: int
    stage: int
    step: int
    loss: float
    parts: Mapping[str, float]
    iou: float
    dice: float
    mae: float
    lr: Mapping[str, float]
    train_seconds: float
    val_seconds: float
    img_size: int
    usage: tuple[float, ...] = ()
    val_images: int = 0
    iou_sd: float = math.nan
    object_share: float = math.nan
    predicted_share: float = math.nan
    sure_wrong: float = math.nan
    skipped: int = 0
    gates: tuple[tuple[float, ...], ...] = ()
    routing_entropy: tuple[float, ...] = ()
    routing_balance: tuple[float, ...] = ()

    def line(self) -> str:
        """The epoch line; its form is a contract with whoever reads logs."""
        return (
            f"Epoch {self.epoch}: Loss: {self.loss:.4f} | IoU: {self.iou:.4f} |"
            f" Dice: {self.dice:.4f} | LR: {self.lr['head']:.6f}"
        )

    def to_plain(self) -> dict[str, Any]:
        """Plain values, for the journal and for checkpoints."""
        plain = asdict(self) | {name: list(getattr(self, name)) for name in _ROWS}
        return plain | {"gates": [list(row) for row in self.gates]}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> "EpochRecord":
        """The inverse of :meth:`to_plain`; keys of later versions are passed over."""
        known = {f.name for f in fields(EpochRecord)}
        values = {k: v for k, v in plain.items() if k in known}
        rows = {name: tuple(values.get(name, ())) for name in _ROWS}
        gates = tuple(tuple(row) for row in values.get("gates", ()))
        return EpochRecord(**values | rows | {"gates": gates})
