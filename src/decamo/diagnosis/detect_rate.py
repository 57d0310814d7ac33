"""Learning rates that do not do what they should, or have done all they can."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from decamo.diagnosis.case import RunView
from decamo.diagnosis.noise import Array
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds
from decamo.schedule import LRSchedule

__all__ = ["lr_exhausted", "lr_rising", "never_anneals", "schedule_idle"]

# A rate printed with six digits, such as 0.000200, hides changes smaller than this.
PRINTED = 1e-6


def lr_exhausted(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """The rate stands at a tenth of its peak or less: little can move any more."""
    epochs, rates = case.series("lr")
    if len(rates) < 2 or rates.max() <= 0:
        return
    share = float(rates[-1] / rates.max())
    if share > thresholds.lr_exhausted or rates[-1] > rates[-2] * (1 + thresholds.lr_rise):
        return
    peak = int(epochs[rates.argmax()])
    seen = peak, int(epochs[-1])
    yield Symptom(
        SymptomKind.LR_EXHAUSTED,
        "info",
        seen,
        f"the learning rate is spent: {_shown(rates[-1])}, {share:.1%} of the {_shown(rates.max())}"
        f" of epoch {peak}",
        (Evidence("learning rate as a share of its peak", share, thresholds.lr_exhausted, seen),),
        1.0,
    )


def never_anneals(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """One rate throughout: the action plan's "old approach (what caused plateau)"."""
    epochs, rates = case.series("lr")
    kind = _scheduler(case)
    if len(rates) < thresholds.plateau_epochs or _stage(case) == 3 or kind not in (None, "none"):
        return
    spread = _spread(rates)
    if spread > thresholds.lr_constant:
        return
    seen = int(epochs[0]), int(epochs[-1])
    yield Symptom(
        SymptomKind.NEVER_ANNEALS,
        "notice",
        seen,
        f"the learning rate never anneals: {_shown(rates[-1])} in all {len(rates)} epochs",
        (Evidence("relative spread of the learning rate", spread, thresholds.lr_constant, seen),),
        1.0 if kind == "none" else 0.8,
    )


def schedule_idle(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """The rate is constant where its own curve would have moved visibly."""
    epochs, rates = case.series("lr")
    kind, expected = _scheduler(case), _expected(case, epochs)
    if kind is None or kind == "none" or expected is None or len(rates) < 3 or rates.max() <= 0:
        return
    should, does = _spread(expected), _spread(rates)
    hidden = 3 * PRINTED / float(rates.max())
    if should < max(5 * thresholds.lr_constant, hidden) or does > thresholds.lr_constant:
        return
    seen = int(epochs[0]), int(epochs[-1])
    yield Symptom(
        SymptomKind.SCHEDULE_IDLE,
        "warning",
        seen,
        f"the schedule is idle: --scheduler {kind} should have moved the learning rate by"
        f" {should:.0%} in epochs {seen[0]} to {seen[1]}, and it stands at {_shown(rates[-1])}",
        (
            Evidence("relative change of the learning rate", does, should, seen),
            Evidence("scheduler", kind, None, seen),
        ),
        1.0,
    )


def lr_rising(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """A rise after a fall, unless restarts were asked for."""
    epochs, rates = case.series("lr")
    kind = _scheduler(case)
    if kind == "cosine_restart" or len(rates) < 3:
        return
    peaks, rise = np.maximum.accumulate(rates), 1 + thresholds.lr_rise
    for i in range(len(rates) - 1, 0, -1):
        fell = rates[i - 1] < peaks[i - 1] / rise
        if fell and rates[i - 1] > 0 and rates[i] > rates[i - 1] * rise:
            seen = int(epochs[i - 1]), int(epochs[i])
            yield Symptom(
                SymptomKind.LR_RISING,
                "info" if kind is None else "notice",
                seen,
                f"the learning rate rose from {_shown(rates[i - 1])} to {_shown(rates[i])} at epoch"
                f" {seen[1]}, after it had been falling",
                (Evidence("rise of the learning rate", rates[i] / rates[i - 1], rise, seen),),
                0.6 if kind is None else 1.0,
            )
            return


def _stage(case: RunView) -> int | None:
    return case.present[-1].stage if case.present else None


def _scheduler(case: RunView) -> str | None:
    name = "stage1_scheduler" if _stage(case) == 1 else "scheduler"
    kind = case.setting("schedule", name)
    return kind if isinstance(kind, str) else None


def _expected(case: RunView, epochs: Array) -> Array | None:
    """The rates that the settings in force would give at ``epochs``; None where unknown.

    The curve is drawn from the first epoch that is known to the end of the stage or plan.
    """
    end: Any = case.stretch.planned_end if case.stretch else None
    end = end or case.setting("schedule", "epochs")
    if _stage(case) == 1:
        end = case.setting("schedule", "stage1_epochs")
    kind = _scheduler(case)
    if kind is None or _stage(case) == 3 or not isinstance(end, int) or not len(epochs):
        return None
    first = int(epochs[0])
    curve = LRSchedule(
        kind=kind,
        peak=1.0,
        floor=0.0,
        steps=max(end - first + 1, 1),
        cycles=_whole(case.setting("schedule", "cycles"), 1),
        t_mult=_factor(case.setting("schedule", "t_mult")),
    )
    return np.array([curve.at(int(e) - first) for e in epochs]) if curve.known else None


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and value > 0 else default


def _factor(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 1 <= value < 100 else 1.0


def _spread(rates: Array) -> float:
    """Range as a share of the largest; 0 of nothing but zeros."""
    top = float(rates.max())
    return float(np.ptp(rates)) / top if top > 0 else 0.0


def _shown(rate: float) -> str:
    return f"{rate:.6f}" if rate >= 1e-5 else f"{rate:.2g}"
