"""The moving average of the weights: what is left of its start, and how far it trails."""

import math
from collections.abc import Iterator

from decamo.diagnosis.case import RunView
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = ["age", "ema_lag", "initial_share"]


def initial_share(updates: int, decay: float) -> float:
    """Share of the weights at its start that is left in an average after some updates.

    The decay of update n (from 0) is ``min(decay, (1 + n) / (10 + n))``, the warm-up of the
    trainer's average; the product of the warm-up has the closed form n! 9! / (n + 9)!.

    Args:
        updates: optimiser steps since the average began, >= 0.
        decay: final decay, in [0, 1).
    """
    warm = min(updates, max(0, math.ceil((10 * decay - 1) / (1 - decay))))
    share = math.exp(math.lgamma(warm + 1) + math.lgamma(10) - math.lgamma(warm + 10))
    return share * decay ** (updates - warm)


def age(updates: int, decay: float) -> float:
    """Mean age of the averaged weights in updates: 1 / (1 - the decay now)."""
    return 1 / (1 - min(decay, (1 + updates) / (10 + updates)))


def ema_lag(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """The scores are those of an average; it may show the weights of epochs ago."""
    steps = [(p.epoch, p.step) for p in case.past.points if p.step is not None]
    decay = case.setting("optimise", "ema_decay")
    if not case.setting("optimise", "use_ema") or not steps:
        return
    if not isinstance(decay, float) or not 0 <= decay < 1:
        return
    first = _began(case)
    begun = max((s for e, s in steps if e < first), default=0)
    epoch, step = steps[-1]
    updates = max(step - begun, 0)
    counted = [s for e, s in steps if e >= first]
    per_epoch = (step - begun) / max(len(counted), 1)
    seen = min(first, epoch), epoch
    left, trail = initial_share(updates, decay), age(updates, decay) / max(per_epoch, 1)
    if left < thresholds.ema_share and trail < thresholds.ema_trail:
        return
    yield Symptom(
        SymptomKind.EMA_LAG,
        "notice",
        seen,
        f"the averaged weights that are validated trail by {trail:.1f} epochs, and {left:.0%} of"
        f" them is still their start of {updates} steps ago",
        (
            Evidence("epochs by which the average trails", trail, thresholds.ema_trail, seen),
            Evidence("share of initial weights left", left, thresholds.ema_share, seen),
            Evidence("decay per optimiser step", decay, None, seen),
        ),
        1.0,
    )


def _began(case: RunView) -> int:
    """First epoch since which every stretch has had the average on; 1 where none is known."""
    first = case.past.stretches[-1].first_epoch if case.past.stretches else 1
    for stretch in reversed(case.past.stretches):
        if not stretch.settings.get("optimise", {}).get("use_ema"):
            break
        first = stretch.first_epoch
    return first
