"""Learning-rate curves as pure functions of a step; no scheduler object, no state.

A curve is followed for ``steps`` optimizer steps, numbered from 0. The first step after the
warm-up has the peak, the last step has the floor, both exactly.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from decamo.settings.schedule import height_of, lr_schedule_names

__all__ = ["LRSchedule", "mix"]

# Smith & Topin 2018 (arXiv:1708.07120) as torch.optim.lr_scheduler.OneCycleLR has it by default:
# rise over 30 % of the steps, from a 25th of the peak.
ONECYCLE_RISE = 0.3
ONECYCLE_START = 1 / 25


@dataclass(frozen=True)
class LRSchedule:
    """One learning-rate curve of the head group.

    Attributes:
        kind: ``none`` (constant), ``onecycle``, ``cosine`` (Loshchilov & Hutter 2017,
            arXiv:1608.03983), ``cosine_restart`` (the same, with restarts), or the name of a
            registered one.
        peak: highest learning rate.
        floor: learning rate of the last step; a constant curve uses it only to warm up from.
        steps: length in optimizer steps, warm-up included.
        warmup: steps of linear rise from the floor; for ``onecycle`` the length of its own rise.
        cycles: ``cosine_restart``: number of cycles.
        t_mult: ``cosine_restart``: each cycle is this many times as long as the one before.
    """

    kind: str
    peak: float
    floor: float
    steps: int
    warmup: int = 0
    cycles: int = 1
    t_mult: float = 1.0

    def at(self, step: int) -> float:
        """Learning rate at ``step`` in ``[0, steps)``; beyond the end the last value holds."""
        step = min(max(step, 0), self.steps - 1)
        if self.kind == "onecycle":
            return self._onecycle(step)
        if step < self.warmup:
            return mix(self.floor, self.peak, (step + 1) / (self.warmup + 1))
        if self.kind == "none":
            return self.peak
        if (height := height_of(self.kind)) is not None:
            done = (step - self.warmup) / max(self.steps - self.warmup - 1, 1)
            return mix(self.floor, self.peak, height(done))
        if self.kind not in ("cosine", "cosine_restart"):
            raise ValueError(f"no shape is known for {self.kind!r}")
        first, last = self._cycle_around(step)
        return mix(self.floor, self.peak, half_cosine(step - first, last - first))

    @property
    def known(self) -> bool:
        """Whether its shape is known here; a checkpoint keeps the name of a registered one."""
        return self.kind in lr_schedule_names()

    @property
    def rise(self) -> int:
        """``onecycle``: steps up to the peak."""
        return self.warmup or round(ONECYCLE_RISE * self.steps)

    def cycle_starts(self) -> tuple[int, ...]:
        """First step of each cycle; the cycles fill the steps after the warm-up exactly."""
        cycles = self.cycles if self.kind == "cosine_restart" else 1
        lengths = [self.t_mult**i for i in range(cycles)]
        room = self.steps - self.warmup
        shares = [0.0, *accumulate(lengths)][:-1]
        return tuple(self.warmup + round(room * share / sum(lengths)) for share in shares)

    def _cycle_around(self, step: int) -> tuple[int, int]:
        starts = (*self.cycle_starts(), self.steps)
        i = bisect_right(starts, step) - 1
        return starts[i], starts[i + 1] - 1

    def _onecycle(self, step: int) -> float:
        rise = self.rise
        if step < rise:
            start = max(self.peak * ONECYCLE_START, self.floor)
            return mix(self.peak, start, half_cosine(step, rise))
        return mix(self.floor, self.peak, half_cosine(step - rise, self.steps - 1 - rise))


def mix(low: float, high: float, share: float) -> float:
    """``low`` at share 0 and ``high`` at share 1, both exactly."""
    return low * (1 - share) + high * share


def half_cosine(step: int, last: int) -> float:
    """1 at step 0 falling to 0 at step ``last``; a curve of a single step is at its end."""
    return 0.5 * (1 + math.cos(math.pi * step / last)) if last > 0 else 0.0
