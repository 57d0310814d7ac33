"""Successive halving: the rounds of a race, their cost, and the settings of a branch in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from decamo.errors import SettingsError
from decamo.history import EpochRecord
from decamo.races.branch import CONTROL, TWIN, Branch, standard_branches
from decamo.races.judge import Verdict, judge, seed_noise_of, surely_worse
from decamo.races.start_point import StartPoint
from decamo.races.trial_files import Result, Rung, matrix
from decamo.schedule import Lineage, SegmentKind, resume
from decamo.settings import ScheduleSettings, TrainSettings
from decamo.settings.plain import from_plain, merged, to_plain

__all__ = [
    "HalvingRound",
    "full_settings",
    "halving_round",
    "lineage_of",
    "race_seconds",
    "trial_settings",
    "verdict_of",
]

# Where the plan that a branch names is already at its end: as far as the action plan's option 1
# goes on from epoch 86.
_FURTHER = 34


def full_settings(branch: Branch, start: StartPoint) -> TrainSettings:
    """What the branch asks for, over the whole way: the winner's.

    Where it keeps the rates, its curve begins at the rate now in force, not at the peak from which
    the plan once set out.

    Raises:
        SettingsError: its options contradict each other; names the branch.
    """
    try:
        settings = from_plain(merged(to_plain(start.settings), branch.changes))
        schedule = settings.schedule
        if schedule.last_epoch <= start.done:
            schedule = replace(schedule, epochs=start.done + _FURTHER, stage3_epochs=0)
        if branch.keeps_rate:
            schedule = _at_rate(schedule, start.rate, schedule.min_lr)
        return replace(settings, schedule=schedule)
    except SettingsError as error:
        raise _in(branch, error) from error


def trial_settings(branch: Branch, start: StartPoint, epochs: int) -> TrainSettings:
    """What the branch asks for, compressed into ``epochs`` epochs from the checkpoint on.

    Its curve anneals within the trial: a high rate judged before it has annealed would always look
    bad. A branch that keeps the rates goes through those that the own plan has in these epochs. A
    warm-up takes a third at most.

    Raises:
        SettingsError: its options contradict each other; names the branch.
    """
    if branch.name == CONTROL and start.continues(epochs):
        return start.settings
    try:
        settings = full_settings(branch, start)
        schedule = replace(
            settings.schedule,
            epochs=start.done + epochs,
            stage3_epochs=0,
            warmup_epochs=min(settings.schedule.warmup_epochs, epochs // 3),
        )
        if branch.keeps_rate:
            ends = start.rate_after(epochs)
            kind, floor = ("cosine", ends) if ends < start.rate else ("none", 0.0)
            schedule = _at_rate(replace(schedule, scheduler=kind), start.rate, floor)
        elif schedule.schedule_origin == "stage":  # it joins a curve: from where it joins, anneal
            lineage = lineage_of(branch, settings, start, "")
            joins = lineage.plan.lr(start.position.step)
            schedule = _at_rate(schedule, joins, schedule.min_lr)
        return replace(settings, schedule=schedule)
    except SettingsError as error:
        raise _in(branch, error) from error


def lineage_of(branch: Branch, settings: TrainSettings, start: StartPoint, why: str) -> Lineage:
    """The checkpoint's lineage and the segment with which the branch leaves it.

    The control's segment has the curve, the place on it and the end of the one before: it only
    says that a race began here.

    Raises:
        SettingsError: its plan cannot be laid; names the branch.
    """
    position, lineage = start.position, start.lineage
    if branch.name == CONTROL and settings.schedule == start.settings.schedule:
        here = replace(
            lineage.last,
            kind=SegmentKind.BRANCH,
            at_epoch=position.epoch,
            at_step=position.step,
            reason=why,
        )
        return lineage.with_segment(here)
    try:
        went = resume(
            lineage,
            settings.schedule,
            position,
            images=start.images,
            other_changes={"escape": branch.name},
        )
    except SettingsError as error:
        raise _in(branch, error) from error
    last = went.lineage.last
    return Lineage(
        (*went.lineage.segments[:-1], replace(last, reason=f"{why}: {last.reason}".lstrip(": ")))
    )


def _at_rate(schedule: ScheduleSettings, rate: float, floor: float) -> ScheduleSettings:
    return replace(
        schedule,
        lr=max(schedule.lr, floor),  # of stage 1, which is over; a floor above it is refused
        stage2_lr=rate,
        min_lr=min(floor, rate),
        warmup_epochs=0,
        schedule_origin="resume",
    )


def _in(branch: Branch, error: SettingsError) -> SettingsError:
    where = f"[branch.{branch.name}]"
    if error.what.startswith(where):
        return error
    return SettingsError(f"{where} {error.what}", error.got, error.remedy)


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
class HalvingRound:
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


def halving_round(results: Mapping[str, Result], epochs: int) -> HalvingRound:
    """The round under way.

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
            return HalvingRound(rung, todo, tuple(alive), dropped)
        now = {name: results[name].rungs[rung] for name in alive}
        seed_noise = _seed_noise(results, rung)
        ahead = {name for name in alive if now[name].iou > now[CONTROL].iou + seed_noise}
        last = surely_worse(matrix(now), (CONTROL, TWIN, *ahead), seed_noise=seed_noise)
        dropped |= dict.fromkeys(sorted(last), rung)
        alive = [name for name in alive if name not in last]
    raise ValueError(f"want at least 1 epoch; got {epochs}")


def verdict_of(results: Mapping[str, Result], current: HalvingRound) -> Verdict:
    """Hold those that came to the end against the control there.

    Raises:
        ValueError: the race is not over.
    """
    if not current.over:
        raise ValueError(f"want the end of the race; got {current.todo} still to be trained")
    at_end: dict[str, Rung] = {name: results[name].rungs[current.rung] for name in current.alive}
    return judge(matrix(at_end), CONTROL, seed_noise=_seed_noise(results, current.rung))


def _seed_noise(results: Mapping[str, Result], upto: int) -> float:
    twin, control = results.get(TWIN), results[CONTROL]
    if twin is None or twin.lost:
        return 0.0
    both = [n for n in twin.rungs if 0 < n <= upto and n in control.rungs]
    return seed_noise_of([twin.rungs[n].iou - control.rungs[n].iou for n in both])
