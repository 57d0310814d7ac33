"""Successive halving: how long the rounds of a race are, and what they will take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from decamo.errors import SettingsError
from decamo.history import EpochRecord
from decamo.races.branch import CONTROL, TWIN, standard_branches
from decamo.races.judge import Verdict, judge, seed_noise_of, surely_worse
from decamo.races.results import Result, Rung, matrix
from decamo.races.start_point import StartPoint
from decamo.races.trial_schedule import full_settings

__all__ = [
    "Heat",
    "heat_of",
    "race_seconds",
    "verdict_of",
]

_LOOK_BACK = 5  # epochs, as a plan's expected time does


def race_seconds(start: StartPoint, epochs: int, records: Sequence[EpochRecord]) -> float | None:
    """Seconds of a race of the standard branches, none of them dropped on the way.

    Training takes time by the number of pixels; each branch is validated once more than it has
    epochs, before its first.

    Args:
        start: where it would set out from.
        epochs: of a trial.
        records: of the run's own epochs, ascending.

    Returns:
        None where no epoch of this kind was timed, or a branch's plan cannot be laid.
    """
    stage = start.lineage.plan.stage_of_epoch(start.done).number
    past = [r for r in records if r.stage == stage][-_LOOK_BACK:]
    if not past:
        return None
    validation = fmean(r.val_seconds for r in past)
    pixel = fmean(r.train_seconds / r.img_size**2 for r in past)
    try:
        sizes = [full_settings(b, start).schedule.img_size for b in standard_branches(start)]
    except SettingsError:
        return None
    return sum(epochs * (pixel * size**2 + validation) + validation for size in sizes)


@dataclass(frozen=True)
class Heat:
    """What is to be done.

    Attributes:
        rung: epochs, counted from the checkpoint, to which trials go now.
        todo: names of those that have not come so far; empty at the end of the race.
        alive: names of those that are in the race.
        dropped: name -> the rung at which it was clearly behind the leader.
    """

    rung: int
    todo: tuple[str, ...]
    alive: tuple[str, ...]
    dropped: Mapping[str, int]

    @property
    def over(self) -> bool:
        """Whether every trial is done."""
        return not self.todo


def heat_of(results: Mapping[str, Result], epochs: int) -> Heat:
    """The heat under way.

    Trials go to the rungs from the middle of the trial on, all to one before any to the next. Those
    clearly behind the leader go no farther, unless they are ahead of the control: they may not win,
    but tell a cause. Before the middle no curve has come down far enough for that to mean anything.

    Args:
        results: of all branches, in their order; the control is among them.
        epochs: of a trial.
    """
    alive = [name for name, result in results.items() if not result.lost]
    dropped: dict[str, int] = {}
    for rung in range((epochs + 1) // 2, epochs + 1):
        todo = tuple(name for name in alive if rung not in results[name].rungs)
        if todo or rung == epochs:
            return Heat(rung, todo, tuple(alive), dropped)
        now = {name: results[name].rungs[rung] for name in alive}
        seed_noise = _seed_noise(results, rung)
        ahead = {name for name in alive if now[name].iou > now[CONTROL].iou + seed_noise}
        last = surely_worse(matrix(now), (CONTROL, TWIN, *ahead), seed_noise=seed_noise)
        dropped |= dict.fromkeys(sorted(last), rung)
        alive = [name for name in alive if name not in last]
    raise ValueError(f"want at least 1 epoch; got {epochs}")


def verdict_of(results: Mapping[str, Result], heat: Heat) -> Verdict:
    """Hold those that came to the end against the control there.

    Raises:
        ValueError: the race is not over.
    """
    if not heat.over:
        raise ValueError(f"want the end of the race; got {heat.todo} still to be trained")
    at_end: dict[str, Rung] = {name: results[name].rungs[heat.rung] for name in heat.alive}
    return judge(matrix(at_end), CONTROL, seed_noise=_seed_noise(results, heat.rung))


def _seed_noise(results: Mapping[str, Result], upto: int) -> float:
    twin, control = results.get(TWIN), results[CONTROL]
    if twin is None or twin.lost:
        return 0.0
    both = [n for n in twin.rungs if 0 < n <= upto and n in control.rungs]
    return seed_noise_of([twin.rungs[n].iou - control.rungs[n].iou for n in both])
