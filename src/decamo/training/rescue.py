"""Ways out of trouble that end in a run that goes on: back to a checkpoint, smaller pieces."""

from dataclasses import dataclass, replace

from decamo.errors import CheckpointDamaged, MemoryExhausted
from decamo.history import RolledBack
from decamo.schedule import Lineage, Position, SegmentKind, Stage, brought_back, rolled_back, split
from decamo.training.checkpoint_manager import CheckpointManager
from decamo.training.runtime import Runtime
from decamo.training.state import TrainState
from decamo.training.step import Stepper

__all__ = ["GoBack", "make_room", "return_to_checkpoint"]


@dataclass
class GoBack(Exception):
    """The state cannot be trusted: go back to the last checkpoint.

    Attributes:
        why: for people.
        slower: whether the learning rates are halved.
        samples: keys of the images in question.
    """

    why: str
    slower: bool
    samples: tuple[str, ...] = ()


def return_to_checkpoint(
    state: TrainState, manager: CheckpointManager, runtime: Runtime, back: GoBack
) -> RolledBack:
    """Put the state back to the last checkpoint; its lineage keeps what was decided since.

    Raises:
        CheckpointError: neither the last checkpoint nor the one before it can be used.
    """
    from_step = state.position.step
    with runtime.main_first():  # which wrote it
        found = manager.load_last()
    held, position = found.checkpoint, found.checkpoint.position
    if position.step > from_step:  # the run was resumed from further back than this one stood
        raise CheckpointDamaged(
            manager.folder.last,
            f"damaged; and {found.path.name}, the one before it, is at step {position.step}, where"
            f" this run, now at step {from_step}, has not been",
            "go on from another checkpoint of the run folder, such as the one resumed from",
        )
    lineage, position = brought_back(state.lineage, held.lineage, position)
    lineage = rolled_back(lineage, position, back.why) if back.slower else _at(lineage, position)
    state.go_back(held, lineage, position)
    reason = "; ".join((lineage.last.reason, *found.notes))
    return RolledBack(from_step, position, reason, back.samples, lineage)


def make_room(state: TrainState, stepper: Stepper, stage: Stage, torn: bool) -> Lineage:
    """The lineage of a run that takes its micro-batches in more pieces.

    Args:
        state: of the run.
        stepper: whose optimizer gives up its fast update, which holds copies, where it was torn.
        stage: under way.
        torn: whether the memory ran out in the optimizer.

    Raises:
        MemoryExhausted: there is nothing left to give up.
    """
    frugal = [group.get("foreach") is False for group in stepper.optimizer.param_groups]
    if torn:
        for group in stepper.optimizer.param_groups:
            group["foreach"], group["fused"] = False, None
    cut = split(state.lineage, state.position, stage.number, "out of memory")
    if cut is not None:
        return cut
    if torn and not all(frugal):
        now = replace(
            state.lineage.last,
            kind=SegmentKind.SPLIT,
            at_epoch=state.position.epoch,
            at_step=state.position.step,
            reason="out of memory in the optimizer: parameters are updated one by one",
        )
        return state.lineage.with_segment(now)
    raise MemoryExhausted(
        "training",
        f"not even one image of {stage.img_size} px fits, in stage {stage.number}",
        "give --gradient-checkpointing, a smaller --img-size or a smaller --backbone, and end other"
        " programs on the device",
    )


def _at(lineage: Lineage, position: Position) -> Lineage:
    """The lineage with its last decision dated back to ``position``."""
    last = replace(lineage.last, at_epoch=position.epoch, at_step=position.step)
    return Lineage((*(s for s in lineage.segments[:-1] if s.at_step <= position.step), last))
