"""What a plan will take: time from the run's own past, or from a timed step (``dry_run``)."""

from typing import TYPE_CHECKING

from decamo.schedule import Resumption, Spending, Stage
from decamo.settings import TrainSettings

if TYPE_CHECKING:  # numpy and Pillow, which a plan needs not: decisions/0007
    from decamo.checkpoint import Checkpoint

__all__ = ["expected_spending"]


def expected_spending(
    settings: TrainSettings,
    resumption: Resumption,
    checkpoint: "Checkpoint | None",
    *,
    measure: bool,
) -> list[Spending]:
    """What each stage that lies ahead will take.

    Args:
        settings: of the run.
        resumption: its plan and position.
        checkpoint: whose history has measured times, or None.
        measure: time and count a micro-batch of each stage here and now.
    """
    done = resumption.position.epoch
    ahead = [s for s in resumption.lineage.plan.stages if s.last_epoch > done]
    if not measure:
        return [_remembered(s, done, checkpoint) for s in ahead]
    from decamo.training.dry_run import measured  # torch, for this branch alone: decisions/0007

    images = resumption.lineage.last.images
    return measured(settings, images, [(s, _remembered(s, done, None)) for s in ahead])


def _epochs_left(stage: Stage, done: int) -> int:
    return stage.last_epoch - max(done, stage.first_epoch - 1)


def _remembered(stage: Stage, done: int, checkpoint: "Checkpoint | None") -> Spending:
    """Time of past epochs of the same kind, scaled by the number of pixels."""
    past = checkpoint.history if checkpoint else ()
    same = [r for r in past if min(r.stage, 2) == min(stage.number, 2)][-5:]
    if not same:
        return Spending(stage.number, _epochs_left(stage, done), None, None, "not measured yet")
    seconds = [r.train_seconds * (stage.img_size / r.img_size) ** 2 + r.val_seconds for r in same]
    source = f"the last {len(same)} epochs of this kind, by pixels"
    mean = sum(seconds) / len(seconds)
    return Spending(stage.number, _epochs_left(stage, done), mean, None, source)
