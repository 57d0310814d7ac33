"""What a plan will take, as numbers; ``training`` measures them."""

from dataclasses import dataclass

__all__ = ["DryRun", "RehearsedStage", "Spending"]


@dataclass(frozen=True)
class Spending:
    """What a stage will take.

    Attributes:
        stage: its number.
        epochs: epochs still to train.
        seconds_per_epoch: or None where nothing is known.
        memory_bytes: largest need of the device, or None where it was not counted.
        source: where the numbers come from, for people.
    """

    stage: int
    epochs: int
    seconds_per_epoch: float | None
    memory_bytes: int | None
    source: str


@dataclass(frozen=True)
class RehearsedStage:
    """What a stage was seen to take.

    Attributes:
        stage: its number.
        epochs: epochs still to train.
        steps: optimizer steps of an epoch.
        step_seconds: of an optimizer step, reading included.
        micro_batch_splits: in how many pieces each micro-batch had to go to fit.
        memory_bytes: the most that the device held; on a CPU, this process.
    """

    stage: int
    epochs: int
    steps: int
    step_seconds: float
    micro_batch_splits: int
    memory_bytes: int


@dataclass(frozen=True)
class DryRun:
    """What a whole plan was seen to take.

    Attributes:
        stages: those that lie ahead.
        val_seconds: of one validation.
        save_seconds: of one save.
        load_seconds: of reading it back.
        file_bytes: of a checkpoint.
        disk_bytes: that the run may still need in its folder.
    """

    stages: tuple[RehearsedStage, ...]
    val_seconds: float
    save_seconds: float
    load_seconds: float
    file_bytes: int
    disk_bytes: int

    @property
    def seconds(self) -> float:
        """Of the whole plan that lies ahead."""
        each = self.val_seconds + self.save_seconds
        return sum(s.epochs * (s.steps * s.step_seconds + each) for s in self.stages)
