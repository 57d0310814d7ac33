"""A branch's settings: for its trial, whose curve ends with it, and for the whole way after."""

from dataclasses import replace

from decamo.errors import SettingsError
from decamo.races.branch import CONTROL, Branch
from decamo.races.start_point import StartPoint
from decamo.schedule import Lineage, SegmentKind, resume
from decamo.settings import ScheduleSettings, TrainSettings
from decamo.settings.plain import from_plain, merged, to_plain

__all__ = ["full_settings", "lineage_of", "trial_settings"]

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
