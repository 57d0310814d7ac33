"""A plan: stages laid end to end. ``plan.lr(step, group)`` is the whole scheduler."""

from collections.abc import Mapping
from dataclasses import dataclass

from decamo.schedule.lr_schedule import LRSchedule, mix

__all__ = [
    "HEAD",
    "Plan",
    "Position",
    "Stage",
    "Unfreezing",
    "backbone_group",
]

HEAD = "head"  # experts, decoder and prediction heads; the backbone's groups are backbone.0 to .N


def backbone_group(level: int) -> str:
    """Name of the parameter group of one pyramid level; level 0 is the shallowest."""
    return f"backbone.{level}"


@dataclass(frozen=True)
class Unfreezing:
    """From absolute optimizer step ``step`` on, ``groups`` learn as well."""

    step: int
    groups: frozenset[str]


@dataclass(frozen=True)
class Stage:
    """Consecutive epochs of one kind, in absolute optimizer steps.

    Attributes:
        number: 1 (frozen backbone), 2 (fine-tuning) or 3 (polishing).
        first_epoch: number of its first epoch here; epochs count from 1.
        epochs: how many epochs.
        first_step: absolute optimizer step of its first update.
        steps_per_epoch: optimizer steps in one epoch.
        micro_batch: images in one forward pass on each device.
        accumulation: micro-batches in one optimizer step.
        img_size: side of the square training images, in px.
        curve: learning rate of the head.
        offset: steps of the curve that lie before ``first_step``.
        rewarm: steps of linear rise towards the curve, after a branch that joins it midway.
        unfreezings: what learns, and from when.
        micro_batch_splits: in how many pieces the device takes a micro-batch that it cannot
            hold whole.
    """

    number: int
    first_epoch: int
    epochs: int
    first_step: int
    steps_per_epoch: int
    micro_batch: int
    accumulation: int
    img_size: int
    curve: LRSchedule
    offset: int
    rewarm: int
    unfreezings: tuple[Unfreezing, ...]
    micro_batch_splits: int = 1

    @property
    def steps(self) -> int:
        """Optimizer steps in the whole stage."""
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
        return frozenset().union(*(o.groups for o in self.unfreezings if o.step <= step))


@dataclass(frozen=True)
class Position:
    """How far a run has come.

    Attributes:
        epoch: epochs completed.
        step: optimizer steps made since the run began.
        micro: micro-batches (over all devices) done in the epoch under way; 0 at its start.
    """

    epoch: int = 0
    step: int = 0
    micro: int = 0


@dataclass(frozen=True)
class Plan:
    """What will be trained, when, and at which learning rate: a pure function of the step.

    Attributes:
        stages: in order, without gaps.
        ratios: group name -> its learning rate as a share of the head's, at every step; so the
            floor keeps the ratio too and no group's rate can rise because of ``--min-lr``.
    """

    stages: tuple[Stage, ...]
    ratios: Mapping[str, float]

    @property
    def first_step(self) -> int:
        """Absolute step of the first update of this plan."""
        return self.stages[0].first_step

    @property
    def end_step(self) -> int:
        """Absolute step after the last update."""
        return self.stages[-1].end_step

    @property
    def first_epoch(self) -> int:
        """Number of the first epoch of this plan."""
        return self.stages[0].first_epoch

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch."""
        return self.stages[-1].last_epoch

    def stage_at(self, step: int) -> Stage:
        """The stage of absolute ``step``; outside of the plan, the nearest one."""
        return next((s for s in self.stages if step < s.end_step), self.stages[-1])

    def stage_of_epoch(self, epoch: int) -> Stage:
        """The stage that trains ``epoch`` (epochs count from 1)."""
        return next((s for s in self.stages if epoch <= s.last_epoch), self.stages[-1])

    def epoch_start(self, epoch: int) -> int:
        """Absolute optimizer step with which ``epoch`` begins."""
        stage = self.stage_of_epoch(epoch)
        return stage.first_step + (epoch - stage.first_epoch) * stage.steps_per_epoch

    def epoch_at(self, step: int) -> int:
        """The epoch, from 1, that absolute ``step`` belongs to; the inverse of ``epoch_start``."""
        stage = self.stage_at(step)
        return stage.first_epoch + (step - stage.first_step) // stage.steps_per_epoch

    def lr(self, step: int, group: str = HEAD) -> float:
        """Learning rate of ``group`` at absolute ``step``; 0 while the group is frozen."""
        stage = self.stage_at(step)
        if group not in stage.learning(step):
            return 0.0
        return self.ratios[group] * stage.lr(step)

    def learning(self, step: int) -> frozenset[str]:
        """Names of the parameter groups that learn at absolute ``step``."""
        return self.stage_at(step).learning(step)
