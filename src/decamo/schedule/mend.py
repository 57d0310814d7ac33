"""What a run writes into its own ledger: lower rates, smaller pieces, a race without a winner."""

from dataclasses import replace

from decamo.schedule.ledger import Ledger, Segment, SegmentKind
from decamo.schedule.resume import resume
from decamo.schedule.timeline import Position

__all__ = ["FACTOR", "brought_back", "raced", "rolled_back", "split", "was_raced"]

_LAYS_A_PLAN = (SegmentKind.START, SegmentKind.EXTEND, SegmentKind.BRANCH)
FACTOR = 0.5  # of the learning rates, at each rollback


def rolled_back(ledger: Ledger, position: Position, why: str) -> Ledger:
    """The ledger of a run that goes back to ``position`` with half its learning rates.

    The curve keeps its place and its length and is scaled as a whole, floor included; unlike a
    branch, which would begin a new curve, this can raise no rate anywhere.
    """
    segment = replace(
        ledger.last,
        kind=SegmentKind.ROLLBACK,
        at_epoch=position.epoch,
        at_step=position.step,
        scale=ledger.last.scale * FACTOR,
        reason=f"{why}; learning rates x {FACTOR:g}",
    )
    return _upto(ledger, position).with_segment(segment)


def brought_back(ledger: Ledger, found: Ledger, position: Position) -> tuple[Ledger, Position]:
    """The ledger of a run that goes back beyond the resume that laid its plan.

    The plan is laid anew from there, as the same flags would lay it. What the run has decided
    since, its lower rates and smaller pieces, stays.

    Args:
        ledger: of the run.
        found: of the checkpoint that it goes back to.
        position: of that checkpoint.

    Returns:
        ledger and position to go on from; a branch begins an interrupted epoch anew. Both as they
        are where that checkpoint was written under the plan in force.
    """
    laid = _laid(ledger)
    if laid == _laid(found):
        return ledger, position
    now = ledger.last
    again = {"branch": laid.reason} if laid.kind is SegmentKind.BRANCH else None
    went = resume(
        found, now.schedule, position, images=now.images, world=now.world, other_changes=again
    )
    before = went.ledger.segments
    if (
        went.kind is not SegmentKind.CONTINUE
    ):  # what laid the plan stays to be seen: the run may go back again
        anew = replace(before[-1], kind=laid.kind, reason=laid.reason, asked=laid.asked)
        before = (*before[:-1], anew)
        if now == laid:
            same = replace(anew, scale=now.scale, pieces=now.pieces)
            return Ledger((*before[:-1], same)), went.position
    decided = replace(
        before[-1],
        kind=now.kind,
        at_epoch=position.epoch,
        at_step=position.step,
        reason=now.reason,
        scale=now.scale,
        pieces=now.pieces,
        asked=now.asked,
    )
    return Ledger((*before, decided)), went.position


def split(ledger: Ledger, position: Position, stage: int, why: str) -> Ledger | None:
    """The ledger of a run whose stage ``stage`` takes each micro-batch in twice as many pieces.

    The images of an optimiser step, their order and the steps of an epoch stay as they are.

    Returns:
        None where the pieces are single images already.
    """
    now = next((s for s in ledger.plan.stages if s.number == stage), None)
    if now is None or now.pieces >= now.micro_batch:
        return None
    pieces = list(ledger.last.pieces)
    pieces[stage - 1] = min(2 * now.pieces, now.micro_batch)
    segment = replace(
        ledger.last,
        kind=SegmentKind.SPLIT,
        at_epoch=position.epoch,
        at_step=position.step,
        pieces=(pieces[0], pieces[1], pieces[2]),
        reason=f"{why}: micro-batch of {now.micro_batch} in {pieces[stage - 1]} pieces",
    )
    return _upto(ledger, position).with_segment(segment)


def raced(ledger: Ledger, position: Position, why: str) -> Ledger:
    """The ledger of a run that was raced at ``position`` and goes on as it was."""
    segment = replace(
        ledger.last,
        kind=SegmentKind.RACE,
        at_epoch=position.epoch,
        at_step=position.step,
        reason=why,
    )
    return _upto(ledger, position).with_segment(segment)


def was_raced(ledger: Ledger) -> bool:
    """Whether the plan in force was raced already, and left as it was; a branch is a new plan."""
    for segment in reversed(ledger.segments):
        if segment.kind in (SegmentKind.START, SegmentKind.BRANCH):
            return False
        if segment.kind is SegmentKind.RACE:
            return True
    return False


def _laid(ledger: Ledger) -> Segment:
    """The segment in which a start or a resume laid the plan in force."""
    laid = (s for s in reversed(ledger.segments) if s.kind in _LAYS_A_PLAN)
    return next(laid, ledger.segments[0])


def _upto(ledger: Ledger, position: Position) -> Ledger:
    """Without what was decided after ``position``: the run has not been there yet."""
    return Ledger(tuple(s for s in ledger.segments if s.at_step <= position.step))
