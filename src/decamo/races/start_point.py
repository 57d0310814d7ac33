"""Where a race sets out from: the checkpoint's plan, its rates, and what could be done there."""

from dataclasses import dataclass

from decamo.errors import SettingsError
from decamo.schedule import Lineage, Position
from decamo.settings import TrainSettings

__all__ = ["StartPoint"]


@dataclass(frozen=True)
class StartPoint:
    """The checkpoint that is raced, as far as plans go.

    Attributes:
        settings: its own, under the flags given.
        lineage: its past.
        position: where it stands.
        images: training images in an epoch now.
        snapshots: checkpoints in its folder that could be averaged with it, itself included.
        batchnorm: whether its backbone has BatchNorm.
        logged: highest learning rate of the head that its epochs were written down with, its
            backbone open; of an adopted run no plan knows it. 0 for none.
        transplant: timm's name of the backbone, where the network is a foreign one and our own
            could begin with it; empty for none.

    Raises:
        SettingsError: it stands in stage 1.
    """

    settings: TrainSettings
    lineage: Lineage
    position: Position
    images: int
    snapshots: int = 1
    batchnorm: bool = False
    logged: float = 0.0
    transplant: str = ""

    def __post_init__(self) -> None:
        frozen = self.lineage.last.stage1_end
        if self.position.epoch < frozen:
            raise SettingsError(
                "CHECKPOINT",
                f"{self.position.epoch} of {frozen} epochs of stage 1 are done, and"
                " the backbone is still frozen",
                "go on to stage 2 first, with --skip-stage1 at once: that is what it lacks",
            )

    @property
    def done(self) -> int:
        """Epochs completed."""
        return self.position.epoch

    @property
    def rate(self) -> float:
        """The head's learning rate now in force; after the end of the plan, its last one."""
        plan = self.lineage.plan
        return plan.lr(min(self.position.step, plan.end_step - 1))

    @property
    def highest(self) -> float:
        """The head's highest learning rate so far with its backbone open."""
        rates = (
            plan.lr(step)
            for plan, begin, end in self.lineage.lived()
            for step in range(begin, min(end, self.position.step))
            if (stage := plan.stage_at(step)).number > 1 and stage.curve.known
        )
        return max(max(rates, default=self.rate), self.logged)

    @property
    def peak(self) -> float:
        """As :attr:`highest`, of the schedule in force alone, from where its curve counts."""
        plan = self.lineage.plan
        steps = range(plan.first_step, min(plan.end_step, self.position.step))
        rates = (plan.lr(step) for step in steps if plan.stage_at(step).number > 1)
        return max(rates, default=self.rate)

    @property
    def ended(self) -> bool:
        """Whether the schedule in force is at its end."""
        return self.position.step >= self.lineage.plan.end_step

    def rate_after(self, epochs: int) -> float:
        """The head's learning rate at the last step of the next ``epochs`` under the own plan."""
        plan = self.lineage.plan
        stage = plan.stage_at(self.position.step)
        last = self.position.step + epochs * stage.steps_per_epoch - 1
        return plan.lr(min(last, plan.end_step - 1))

    def continues(self, epochs: int) -> bool:
        """Whether the own plan can be followed for ``epochs`` whole epochs from here."""
        last = self.lineage.last
        same = (self.images, 1) == (last.images, last.world)
        whole = self.position.micro == 0
        return same and whole and self.done + epochs <= self.lineage.plan.last_epoch
