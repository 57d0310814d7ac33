"""When a run reaches its target, and what it will score, from its curve so far."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from decamo.diagnosis.case import Measure, measure_of, series_of
from decamo.diagnosis.fan import LEVELS, Fan, branch_start, fan_ahead
from decamo.diagnosis.noise import Array
from decamo.diagnosis.rates import plan_ahead
from decamo.diagnosis.thresholds import Thresholds
from decamo.history import TrainingLog

__all__ = ["Forecast", "Outlook", "Reach", "forecast"]

FARTHEST = 1000  # epochs looked ahead


class Outlook(StrEnum):
    """What a forecast comes to."""

    REACHED = "reached"
    """An epoch has scored the target."""
    EXPECTED = "expected"
    """The target will be reached by the end, with a probability of 0.8 or more."""
    OPEN = "open"
    """It may or may not."""
    NOT_ON_THIS_SCHEDULE = "not on this schedule"
    """The probability is under 0.1."""
    TOO_EARLY = "too early to say"
    """Too few epochs with a score, or since a branch, or an interval too wide to be of use."""


LIKELY, UNLIKELY = 0.8, 0.1
# An 80 % interval of the best score that is wider says nothing: 0.62 to 0.72 is the whole way
# that the action plan is about.
USELESS = 0.1


@dataclass(frozen=True)
class Reach:
    """The epoch that first scores the target; None where it is beyond the last one looked at.

    Attributes:
        early: reached by then with a probability of 0.1.
        median: with 0.5.
        late: with 0.9.
    """

    early: int | None
    median: int | None
    late: int | None


@dataclass(frozen=True)
class Forecast:
    """What a run will come to.

    Attributes:
        outlook: in one word.
        target: the IoU asked for.
        end: the epoch that ``best`` and ``chance`` look to: the planned end, or as far as was
            looked where none is known.
        planned: whether that is the planned end.
        epochs: the epochs to come, up to the end or the horizon, the later; empty where too few are
            known or none is to come.
        fan: for each of ``epochs``, quantiles of its IoU at 10, 25, 50, 75 and 90 %.
        best: the same quantiles of the best IoU of the whole run at the end; empty if unknown.
        expected_best: its mean; None if unknown.
        chance: probability that the target is reached by the end; None if unknown.
        reach: when, over ``epochs``.
        families: probability of each family of models; empty where none was fitted.
        sentence: for people.
    """

    outlook: Outlook
    target: float
    end: int
    planned: bool
    epochs: tuple[int, ...]
    fan: tuple[tuple[float, ...], ...]
    best: tuple[float, ...]
    expected_best: float | None
    chance: float | None
    reach: Reach
    families: Mapping[str, float]
    sentence: str


def forecast(
    past: TrainingLog,
    target: float,
    horizon: int | None = None,
    *,
    ahead: Mapping[int, float] | None = None,
    seed: int = 0,
    thresholds: Thresholds | None = None,
) -> Forecast:
    """When does this run reach the target?

    Growth and standstill are foretold; a decline after a peak (overfitting) or a collapse is not:
    those are symptoms of the diagnosis.

    Args:
        past: the run.
        target: IoU in [0, 1].
        horizon: how many epochs to look ahead, at most 1000; None for the planned end, or 30 epochs
            where none is known.
        ahead: learning rates of epochs to come, where the past's own plan does not tell them.
        seed: of the draws.
        thresholds: what is expected of the noise, and how few epochs are too few.
    """
    thresholds = thresholds or Thresholds()
    measure = measure_of(past)
    if measure.plain:
        return _of_iou(past, target, horizon, ahead, seed, thresholds)
    return _of_another(measure, past, target, horizon, ahead, seed, thresholds)


def _of_iou(
    past: TrainingLog,
    target: float,
    horizon: int | None,
    ahead: Mapping[int, float] | None,
    seed: int,
    thresholds: Thresholds,
) -> Forecast:
    last = past.points[-1].epoch if past.points else 0
    planned = _planned_end(past)
    far = horizon if horizon is not None else thresholds.review_epochs if planned is None else 0
    far = last + min(max(far, 0), FARTHEST)
    end = far if planned is None else max(last, min(planned, last + FARTHEST))
    fan = fan_ahead(past, max(end, far) - last, ahead, seed, thresholds=thresholds)
    known, scores = series_of(past.points, "iou")
    bests = _bests(fan, scores, end, over=planned is not None and planned <= last)
    best = tuple(float(q) for q in np.quantile(bests, LEVELS)) if len(bests) else ()
    chance = float((bests >= target).mean()) if len(bests) else None
    if len(scores) and scores.max() >= target:
        at = int(known[np.argmax(scores >= target)])
        chance, reach = 1.0, Reach(at, at, at)
        outlook = Outlook.REACHED
    else:
        reach = _reach(fan, target)
        # What an earlier schedule did tells little about what a new one does in its first epochs.
        start = branch_start(past)
        fresh = start > 1 and int((known >= start).sum()) < thresholds.healthy_epochs
        outlook = Outlook.TOO_EARLY if fresh else _outlook(chance, best)
    made = Forecast(
        outlook=outlook,
        target=target,
        end=end,
        planned=planned is not None,
        epochs=() if fan is None else tuple(int(e) for e in fan.epochs),
        fan=() if fan is None else tuple(tuple(map(float, q)) for q in fan.quantiles().T),
        best=best,
        expected_best=float(bests.mean()) if len(bests) else None,
        chance=chance,
        reach=reach,
        families={} if fan is None else fan.families,
        sentence="",
    )
    return replace(made, sentence=_sentence(made))


def _of_another(
    measure: Measure,
    past: TrainingLog,
    target: float,
    horizon: int | None,
    ahead: Mapping[int, float] | None,
    seed: int,
    thresholds: Thresholds,
) -> Forecast:
    """Where no IoU was logged: what the other measure comes to, in words; nothing of the target."""
    never = 2.0
    scored = measure.scored(past)
    made = _of_iou(scored, never, horizon, ahead, seed, thresholds)
    why = f"whether IoU {target:.4f} is reached cannot be told: no IoU was logged"
    if made.best:
        low, high = sorted((measure.shown(made.best[0]), measure.shown(made.best[-1])))
        level = low if low == high else f"{low} to {high} (80 % sure)"
        why = f"the best {measure.name} by epoch {made.end}: {level}; {why}"
    return replace(
        made, outlook=Outlook.TOO_EARLY, target=target, fan=(), best=(), epochs=(),
        expected_best=None, chance=None, reach=Reach(None, None, None), sentence=why,
    )  # fmt: skip


def _planned_end(past: TrainingLog) -> int | None:
    if past.stretches and past.stretches[-1].planned_end is not None:
        return past.stretches[-1].planned_end
    plan = plan_ahead(past)
    return plan.last_epoch if plan is not None else None


def _bests(fan: Fan | None, scores: Array, end: int, over: bool) -> Array:
    """The best score of the whole run at its end, in each future; ``over``: the plan has ended."""
    if not len(scores) or (fan is None and not over):
        return np.empty(0)
    if fan is None or over:
        return scores[[scores.argmax()]]
    return np.maximum(fan.paths[:, fan.epochs <= end].max(axis=1), scores.max())


def _reach(fan: Fan | None, target: float) -> Reach:
    """Quantiles of the first epoch at the target; paths that never reach it count as last."""
    if fan is None:
        return Reach(None, None, None)
    there = fan.paths >= target
    first = np.where(there.any(axis=1), fan.epochs[there.argmax(axis=1)], np.inf)
    at = np.quantile(first, (0.1, 0.5, 0.9), method="higher")
    return Reach(*(int(epoch) if np.isfinite(epoch) else None for epoch in at))


def _outlook(chance: float | None, best: tuple[float, ...]) -> Outlook:
    if chance is None:
        return Outlook.TOO_EARLY
    if chance < UNLIKELY:
        return Outlook.NOT_ON_THIS_SCHEDULE
    if chance >= LIKELY:
        return Outlook.EXPECTED
    return Outlook.TOO_EARLY if best[-1] - best[0] > USELESS else Outlook.OPEN


def _sentence(made: Forecast) -> str:
    goal = f"IoU {made.target:.4f}"
    if made.outlook == Outlook.REACHED:
        return f"{goal} was reached at epoch {made.reach.median}"
    if not made.best or made.chance is None:
        return f"too early to say when {goal} is reached: too few epochs have a score"
    odds = f"{made.chance:.0%}"
    odds = "under 1 %" if made.chance < 0.01 else "over 99 %" if made.chance > 0.99 else odds
    end = f"epoch {made.end}" + (", the planned end" if made.planned else "")
    sure = "" if made.best[0] == made.best[-1] else f" to {made.best[-1]:.4f} (80 % sure)"
    told = f"{made.outlook}: best IoU {made.best[0]:.4f}{sure} by {end}; chance of {goal}: {odds}"
    when = made.reach
    if when.median is not None:
        late = when.late if when.late is not None else f"beyond {made.epochs[-1]}"
        told += f"; reached at about epoch {when.median} ({when.early} to {late}, 80 % sure)"
    elif when.early is not None:
        told += f"; at about epoch {when.early} at the earliest"
    return told
