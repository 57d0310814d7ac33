"""A run's past as far as it is known, whoever wrote it down: a journal, a log, another tool."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from decamo.schedule import Lineage

__all__ = ["LogSegment", "Origin", "Point", "TrainingLog"]


class Origin(StrEnum):
    """Whose run it is."""

    OURS = "ours"
    """A journal or a console log of this program: its checkpoints can be opened here."""
    FOREIGN = "foreign"
    """Another program's log: its checkpoint must be adopted first."""
    UNKNOWN = "unknown"
    """Epoch lines in a form that this program and others print, and nothing around them."""


@dataclass(frozen=True)
class Point:
    """One epoch. ``None`` is "not written down"; NaN is "written down as not a number".

    Attributes:
        epoch: its number, from 1.
        loss: mean training loss.
        val_loss: mean validation loss.
        iou: validation IoU in [0, 1].
        dice: validation Dice in [0, 1].
        mae: validation mean absolute error in [0, 1].
        lr: learning rate of the head group, or the only one written down.
        rates: learning rate of each group by name; empty where groups are not told apart.
        stage: number of its stage, from 1.
        step: optimizer steps made by its end.
        img_size: training size in px.
        seconds: training and validation together.
        usage: mean gate of each expert, averaged over the pyramid levels; empty if unknown.
        val_images: images validated on.
        iou_sd: standard deviation of the images' IoU.
        object_share: mean share of a validation image that is object, in [0, 1].
        predicted_share: mean share of a validation image predicted as object, in [0, 1].
        sure_wrong: share of the wrongly classified validation pixels whose probability is within
            0.01 of 0 or 1.
        skipped: optimizer steps left out because their gradient was not finite.
        grad_norm: median norm of the gradient before clipping.
        gates: mean gate of each expert over the validation images, a row for each pyramid level;
            empty if unknown, like the next two.
        routing_entropy: of each level, mean entropy of an image's gates in [0, 1]: 0 is one
            expert an image, 1 all alike.
        routing_balance: of each level, entropy of the mean gates in [0, 1]: 1 is all experts
            alike over the images, however few each image uses.
    """

    epoch: int
    loss: float | None = None
    val_loss: float | None = None
    iou: float | None = None
    dice: float | None = None
    mae: float | None = None
    lr: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    stage: int | None = None
    step: int | None = None
    img_size: int | None = None
    seconds: float | None = None
    usage: tuple[float, ...] = ()
    val_images: int | None = None
    iou_sd: float | None = None
    object_share: float | None = None
    predicted_share: float | None = None
    sure_wrong: float | None = None
    skipped: int | None = None
    grad_norm: float | None = None
    gates: tuple[tuple[float, ...], ...] = ()
    routing_entropy: tuple[float, ...] = ()
    routing_balance: tuple[float, ...] = ()

    def known(self, name: str) -> float | None:
        """An attribute's value if it was written down and is finite."""
        value = getattr(self, name)
        return float(value) if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class LogSegment:
    """Epochs under one set of flags: from a start or resume up to the next one.

    Attributes:
        first_epoch: the first epoch trained in it, from 1.
        word: ``start``, ``continue``, ``extend``, ``branch`` or ``rollback``; empty where unknown.
        reason: why, for people; empty where unknown.
        settings: the flags in force, by section as in ``config.toml``; empty where unknown.
        planned_end: the last epoch of its plan, where known.
        train_images: images that trained, where known.
        val_images: images held out, where known.
        device: such as ``cuda:0``; empty where unknown.
        baseline_iou: validation IoU in [0, 1] of the weights that it set out from, where measured.
        lineage: the run's segments up to this one, where they were written down.
        adopted: whether another program trained them, before its checkpoint became a run here.
    """

    first_epoch: int
    word: str = ""
    reason: str = ""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    planned_end: int | None = None
    train_images: int | None = None
    val_images: int | None = None
    device: str = ""
    baseline_iou: float | None = None
    lineage: Lineage | None = None
    adopted: bool = False


@dataclass(frozen=True)
class TrainingLog:
    """All that is known of a run.

    Attributes:
        points: one an epoch, ascending; where an epoch was trained twice, the later one.
        stretches: oldest first; a log of unknown origin has one or none.
        checkpoint: the file to go on from, where known (the best one).
        source: where this was read, for people.
        notes: what the reader passed over or had to decide, for people.
        origin: whose run it is, as far as what was read tells.
    """

    points: tuple[Point, ...]
    stretches: tuple[LogSegment, ...] = ()
    checkpoint: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    origin: Origin = Origin.UNKNOWN
