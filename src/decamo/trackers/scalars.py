"""What a tracker is given of a run: named numbers at absolute optimizer steps."""

from collections.abc import Mapping

from decamo.history import EpochDone, EpochRecord, Event, StepDone, StepRecord
from decamo.settings.words import level_name

__all__ = ["Row", "epoch_row", "row_of", "step_row"]

Row = tuple[int, Mapping[str, float]]
"""Absolute step, from 0, and the numbers to show at it by their names, such as ``loss/total``."""


def row_of(event: Event) -> Row | None:
    """The numbers of an event; None for one without any."""
    if isinstance(event, StepDone):
        return step_row(event.record)
    return epoch_row(event.record) if isinstance(event, EpochDone) else None


def step_row(record: StepRecord) -> Row:
    """Loss and its terms, norm of the gradient, the learning rate of each group."""
    values = {"loss/total": record.loss, "gradient/norm": record.grad_norm}
    values |= {f"loss/{name}": part for name, part in record.parts.items()}
    values |= {f"lr/{group}": rate for group, rate in record.lr.items()}
    return record.step, values


def epoch_row(record: EpochRecord) -> Row:
    """Scores of a validation and what the experts did, at the epoch's last step.

    Not at the step after it, which belongs to the next epoch: a resume takes that step anew.
    """
    scores = {"iou": record.iou, "dice": record.dice, "mae": record.mae}
    values = {f"validation/{name}": score for name, score in scores.items()}
    values |= {f"experts/{i}": share for i, share in enumerate(record.usage)}
    shares = {"entropy": record.routing_entropy, "balance": record.routing_balance}
    for name, levels in shares.items():
        values |= {f"routing_{name}/{level_name(n)}": v for n, v in enumerate(levels)}
    return record.step - 1, values
