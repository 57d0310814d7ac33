"""A stage: consecutive epochs with one batch, one image size, one curve."""

from dataclasses import dataclass

from decamo.schedule.curves import Curve, mix

__all__ = ["HEAD", "Opening", "Stage", "backbone_group"]

HEAD = "head"  # experts, decoder and prediction heads; the backbone's groups are backbone.0 to .N


def backbone_group(level: int) -> str:
    """Name of the parameter group of one pyramid level; level 0 is the shallowest."""
    return f"backbone.{level}"


@dataclass(frozen=True)
class Opening:
    """From absolute optimiser step ``step`` on, ``groups`` learn as well."""

    step: int
    groups: frozenset[str]


@dataclass(frozen=True)
class Stage:
    """Consecutive epochs of one kind, in absolute optimiser steps.

    Attributes:
        number: 1 (frozen backbone), 2 (fine-tuning) or 3 (polishing).
        first_epoch: number of its first epoch here; epochs count from 1.
        epochs: how many epochs.
        first_step: absolute optimiser step of its first update.
        steps_per_epoch: optimiser steps in one epoch.
        micro_batch: images in one forward pass on each device.
        accumulation: micro-batches in one optimiser step.
        img_size: side of the square training images, in px.
        curve: learning rate of the head.
        offset: steps of the curve that lie before ``first_step``.
        rewarm: steps of linear rise towards the curve, after a branch that joins it midway.
        openings: what learns, and from when.
        pieces: in how many pieces the device takes a micro-batch that it cannot hold whole.
    """

    number: int
    first_epoch: int
    epochs: int
    first_step: int
    steps_per_epoch: int
    micro_batch: int
    accumulation: int
    img_size: int
    curve: Curve
    offset: int
    rewarm: int
    openings: tuple[Opening, ...]
    pieces: int = 1

    @property
    def steps(self) -> int:
        """Optimiser steps in the whole stage."""
        return self.epochs * self.steps_per_epoch

    @property
    def end_step(self) -> int:
        """Absolute step after the last."""
        return self.first_step + self.steps

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch."""
        return self.first_epoch + self.epochs - 1

    def lr(self, step: int) -> float:
        """The head's learning rate at absolute ``step``."""
        local = step - self.first_step
        rate = self.curve.at(local + self.offset)
        if local < self.rewarm:
            rate = mix(min(self.curve.floor, rate), rate, (local + 1) / (self.rewarm + 1))
        return rate

    def learning(self, step: int) -> frozenset[str]:
        """Names of the parameter groups that learn at absolute ``step``."""
        return frozenset().union(*(o.groups for o in self.openings if o.step <= step))
