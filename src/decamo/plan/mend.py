"""What a run writes into its own ledger: lower rates, smaller pieces, a race without a winner."""

from dataclasses import replace

from decamo.plan.ledger import Ledger
from decamo.plan.plan import Position

__all__ = ["FACTOR", "raced", "rolled_back", "split", "was_raced"]

FACTOR = 0.5  # of the learning rates, at each rollback


def rolled_back(ledger: Ledger, position: Position, why: str) -> Ledger:
    """The ledger of a run that goes back to ``position`` with half its learning rates.

    The curve keeps its place and its length and is scaled as a whole, floor included; unlike a
    branch, which would begin a new curve, this can raise no rate anywhere.
    """
    segment = replace(
        ledger.last,
        word="rollback",
        at_epoch=position.epoch,
        at_step=position.step,
        scale=ledger.last.scale * FACTOR,
        reason=f"{why}; learning rates x {FACTOR:g}",
    )
    return _upto(ledger, position).with_segment(segment)


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
        word="split",
        at_epoch=position.epoch,
        at_step=position.step,
        pieces=(pieces[0], pieces[1], pieces[2]),
        reason=f"{why}: micro-batch of {now.micro_batch} in {pieces[stage - 1]} pieces",
    )
    return _upto(ledger, position).with_segment(segment)


def raced(ledger: Ledger, position: Position, why: str) -> Ledger:
    """The ledger of a run that was raced at ``position`` and goes on as it was."""
    segment = replace(
        ledger.last, word="race", at_epoch=position.epoch, at_step=position.step, reason=why
    )
    return _upto(ledger, position).with_segment(segment)


def was_raced(ledger: Ledger) -> bool:
    """Whether the plan in force was raced already, and left as it was; a branch is a new plan."""
    for segment in reversed(ledger.segments):
        if segment.word in ("start", "branch"):
            return False
        if segment.word == "race":
            return True
    return False


def _upto(ledger: Ledger, position: Position) -> Ledger:
    """Without what was decided after ``position``: the run has not been there yet."""
    return Ledger(tuple(s for s in ledger.segments if s.at_step <= position.step))
