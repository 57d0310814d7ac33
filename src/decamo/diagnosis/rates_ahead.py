"""The learning rate that was spent and that a run's schedule still has ahead, epoch by epoch."""

from collections.abc import Mapping, Sequence

import numpy as np

from decamo.diagnosis.noise import Array
from decamo.errors import DecamoError
from decamo.history import Past, Point, Stretch
from decamo.schedule import Plan, Segment, plan_of
from decamo.settings import ScheduleSettings

__all__ = ["plan_ahead", "rates_of"]

GOES_ON = ("continue", "extend", "rollback")  # words that keep the origin of the curves


def plan_ahead(past: Past) -> Plan | None:
    """The plan in force; None where it is unknown.

    Where no ledger was written down it is laid anew from the flags of the last stretch, for one
    device: rates at epochs do not depend on devices but for the rounding of a curve's steps.
    """
    now = past.stretches[-1] if past.stretches else None
    if now is None or (now.ledger is None and "schedule" not in now.settings):
        return None
    try:
        if now.ledger is not None:
            return now.ledger.plan
        schedule = ScheduleSettings(**now.settings["schedule"])
        origin = _origin(past.stretches)
        images = now.train_images or schedule.fine_tune_batch * schedule.accumulation_steps
        return plan_of(Segment(now.word or "start", origin, 0, origin, 0, schedule, max(images, 1)))
    except (DecamoError, TypeError, ValueError, ArithmeticError):
        return None  # of another version, damaged, or at its end


def rates_of(
    past: Past, epochs: Sequence[int], ahead: Mapping[int, float] | None = None
) -> Array | None:
    """The head group's learning rate at the first step of each of ``epochs``.

    What was written down comes first, then ``ahead``, then the plan, which holds its last value
    beyond its end. Gaps within what was written down are filled linearly.

    Args:
        past: the run.
        epochs: ascending numbers of epochs, past ones and future ones.
        ahead: rates of epochs to come, by epoch, where they are known beforehand; beyond them the
            last one holds.

    Returns:
        ``[len(epochs)]``, finite and >= 0; None where the rates ahead are not known.
    """
    written = {p.epoch: lr for p in past.points if (lr := _rate(p)) is not None}
    plan = None if ahead else plan_ahead(past)
    last = max(written, default=0)
    if len(written) < 2 or (not ahead and plan is None and max(epochs) > last):
        return None
    rates = dict(written)
    for epoch in epochs:
        if epoch in rates or epoch < last:
            continue
        if plan is not None:
            rates[epoch] = plan.lr(min(plan.epoch_start(epoch), plan.end_step - 1))
        elif ahead:
            rates[epoch] = ahead.get(epoch, rates[max(rates)])
    known = sorted(rates)
    return np.interp(np.array(epochs, float), known, [rates[e] for e in known])


def _origin(stretches: Sequence[Stretch]) -> int:
    """Epochs completed where the curves in force count from."""
    laid = [s for s in stretches if s.word not in GOES_ON] or list(stretches[:1])
    return 0 if laid[-1].word in ("start", "") else laid[-1].first_epoch - 1


def _rate(point: Point) -> float | None:
    lr = point.known("lr")
    return lr if lr is not None and 0 <= lr <= 10 else None  # as --lr is bounded
