"""What a run writes into its own lineage: lower rates, smaller pieces, a race without a winner."""

from dataclasses import replace

from decamo.schedule.lineage import Lineage, Segment, SegmentKind
from decamo.schedule.resume import resume
from decamo.schedule.timeline import Position

__all__ = ["FACTOR", "brought_back", "raced", "rolled_back", "split", "was_raced"]

_LAYS_A_PLAN = (SegmentKind.START, SegmentKind.EXTEND, SegmentKind.BRANCH)
FACTOR = 0.5  # of the learning rates, at each rollback


def rolled_back(lineage: Lineage, position: Position, why: str) -> Lineage:
    """The lineage of a run that goes back to ``position`` with half its learning rates.

    The curve keeps its place and its length and is scaled as a whole, floor included; unlike a
    branch, which would begin a new curve, this can raise no rate anywhere.
    """
    segment = replace(
        lineage.last,
        kind=SegmentKind.ROLLBACK,
        at_epoch=position.epoch,
        at_step=position.step,
        scale=lineage.last.scale * FACTOR,
        reason=f"{why}; learning rates x {FACTOR:g}",
    )
    return _upto(lineage, position).with_segment(segment)


def brought_back(lineage: Lineage, found: Lineage, position: Position) -> tuple[Lineage, Position]:
    """The lineage of a run that goes back beyond the resume that laid its plan.

    The plan is laid anew from there, as the same flags would lay it. What the run has decided
    since, its lower rates and smaller pieces, stays.

    Args:
        lineage: of the run.
        found: of the checkpoint that it goes back to.
        position: of that checkpoint.

    Returns:
        lineage and position to go on from; a branch begins an interrupted epoch anew. Both as they
        are where that checkpoint was written under the plan in force.
    """
    laid = _laid(lineage)
    if laid == _laid(found):
        return lineage, position
    now = lineage.last
    again = {"branch": laid.reason} if laid.kind is SegmentKind.BRANCH else None
    went = resume(
        found, now.schedule, position, images=now.images, world=now.world, other_changes=again
    )
    before = went.lineage.segments
    if (
        went.kind is not SegmentKind.CONTINUE
    ):  # what laid the plan stays to be seen: the run may go back again
        anew = replace(before[-1], kind=laid.kind, reason=laid.reason, asked=laid.asked)
        before = (*before[:-1], anew)
        if now == laid:
            same = replace(anew, scale=now.scale, micro_batch_splits=now.micro_batch_splits)
            return Lineage((*before[:-1], same)), went.position
    decided = replace(
        before[-1],
        kind=now.kind,
        at_epoch=position.epoch,
        at_step=position.step,
        reason=now.reason,
        scale=now.scale,
        micro_batch_splits=now.micro_batch_splits,
        asked=now.asked,
    )
    return Lineage((*before, decided)), went.position


def split(lineage: Lineage, position: Position, stage: int, why: str) -> Lineage | None:
    """The lineage of a run whose stage ``stage`` takes each micro-batch in twice as many pieces.

    The images of an optimizer step, their order and the steps of an epoch stay as they are.

    Returns:
        None where the pieces are single images already.
    """
    now = next((s for s in lineage.plan.stages if s.number == stage), None)
    if now is None or now.micro_batch_splits >= now.micro_batch:
        return None
    micro_batch_splits = list(lineage.last.micro_batch_splits)
    micro_batch_splits[stage - 1] = min(2 * now.micro_batch_splits, now.micro_batch)
    segment = replace(
        lineage.last,
        kind=SegmentKind.SPLIT,
        at_epoch=position.epoch,
        at_step=position.step,
        micro_batch_splits=(micro_batch_splits[0], micro_batch_splits[1], micro_batch_splits[2]),
        reason=f"{why}: micro-batch of {now.micro_batch} in {micro_batch_splits[stage - 1]} pieces",
    )
    return _upto(lineage, position).with_segment(segment)


def raced(lineage: Lineage, position: Position, why: str) -> Lineage:
    """The lineage of a run that was raced at ``position`` and goes on as it was."""
    segment = replace(
        lineage.last,
        kind=SegmentKind.RACE,
        at_epoch=position.epoch,
        at_step=position.step,
        reason=why,
    )
    return _upto(lineage, position).with_segment(segment)


def was_raced(lineage: Lineage) -> bool:
    """Whether the plan in force was raced already, and left as it was; a branch is a new plan."""
    for segment in reversed(lineage.segments):
        if segment.kind in (SegmentKind.START, SegmentKind.BRANCH):
            return False
        if segment.kind is SegmentKind.RACE:
            return True
    return False


def _laid(lineage: Lineage) -> Segment:
    """The segment in which a start or a resume laid the plan in force."""
    laid = (s for s in reversed(lineage.segments) if s.kind in _LAYS_A_PLAN)
    return next(laid, lineage.segments[0])


def _upto(lineage: Lineage, position: Position) -> Lineage:
    """Without what was decided after ``position``: the run has not been there yet."""
    return Lineage(tuple(s for s in lineage.segments if s.at_step <= position.step))
