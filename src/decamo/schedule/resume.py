"""Resuming is one of three words: continue, extend or branch. This room decides which."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from decamo.errors import SettingsError
from decamo.schedule.lineage import Lineage, Segment, SegmentKind, plan_of
from decamo.schedule.timeline import Position, Stage, Unfreezing
from decamo.settings.option import flag_of, shown
from decamo.settings.schedule import ScheduleSettings

__all__ = ["Resumption", "resume", "unfrozen_before"]

_OF_STAGE_1 = frozenset({"lr", "skip_stage1", "stage1_epochs", "stage1_scheduler"})


@dataclass(frozen=True)
class Resumption:
    """How a run goes on.

    Attributes:
        kind: of a resume ``CONTINUE`` (the same plan, bit-exact), ``EXTEND`` (the same curve with a
            later horizon) or ``BRANCH`` (a new segment from here).
        lineage: the lineage in force from now on.
        position: where training goes on; a branch starts an interrupted epoch anew.
        reason: what decided it, for people.
    """

    kind: SegmentKind
    lineage: Lineage
    position: Position
    reason: str

    @property
    def told(self) -> tuple[SegmentKind, str]:
        """Kind and reason as people are told them.

        They differ where a race's winner sets out: the checkpoint's lineage has its branch already,
        so that going on is ``continue``; for who reads along, the branch begins here.
        """
        last = self.lineage.last
        if self.kind is not SegmentKind.CONTINUE or last.at_step != self.position.step:
            return self.kind, self.reason
        kind = last.kind if last.kind is SegmentKind.BRANCH else self.kind
        return kind, last.reason or self.reason


def resume(
    lineage: Lineage,
    wanted: ScheduleSettings,
    position: Position,
    *,
    images: int,
    world: int = 1,
    other_changes: Mapping[str, str] | None = None,
) -> Resumption:
    """Decide how a run at ``position`` goes on under the ``wanted`` schedule.

    What counts is the effect: a flag that changes nothing from here on (``--lr`` after stage 1,
    say) leaves ``continue``.

    Args:
        lineage: the run's past.
        wanted: the schedule asked for now.
        position: where the checkpoint stands.
        images: training images in an epoch now.
        world: devices now.
        other_changes: flags outside the schedule that make a branch, with their change in words.

    Raises:
        SettingsError: ``--epochs`` is not beyond the checkpoint, or the plan cannot be laid.
    """
    if position.epoch >= wanted.last_epoch:
        raise SettingsError(
            "--epochs",
            f"got {wanted.epochs}, but the checkpoint has {position.epoch} epochs behind it",
            f"give more than {position.epoch}",
        )
    last = lineage.last
    begun = last.stage1_end <= position.epoch and lineage.stage2_has_begun(position.step)
    own = _from_its_stage(last, position)
    kept = begun or wanted.frozen_epochs == last.schedule.frozen_epochs
    begin = last.stage1_end if kept else max(wanted.frozen_epochs, position.epoch)
    opened = tuple(sorted({*last.opened, *unfrozen_before(lineage, position.step)}))
    literal = replace(own, schedule=wanted, stage2_begin=begin)
    asked = replace(literal, opened=opened)
    same_run = (images, world) == (last.images, last.world) and not other_changes
    # What is open stays open, but for a segment of 0.1.0 that froze some of it again.
    same_way = _ahead(own, position) in (_ahead(asked, position), _ahead(literal, position))
    if same_run and same_way:
        return Resumption(
            SegmentKind.CONTINUE, lineage, position, "no flag changes what lies ahead"
        )
    if same_run and _only_later(own, asked, position):
        reason = f"--epochs {last.schedule.epochs} -> {wanted.epochs}"
        segment = replace(
            asked,
            kind=SegmentKind.EXTEND,
            at_epoch=position.epoch,
            at_step=position.step,
            reason=reason,
        )
        return Resumption(SegmentKind.EXTEND, lineage.with_segment(segment), position, reason)
    changes = _changes(last, wanted, images, world, begun) | dict(other_changes or {})
    reason = ", ".join(f"{flag} {change}" for flag, change in changes.items())
    segment = Segment(
        kind=SegmentKind.BRANCH,
        at_epoch=position.epoch,
        at_step=position.step,
        origin_epoch=position.epoch,
        origin_step=position.step,
        schedule=wanted,
        images=images,
        world=world,
        levels=last.levels,
        opened=opened,
        reason=reason,
        asked=_still_asked(last, wanted),
        stage2_begin=begin,
    )
    plan_of(segment)  # a plan that cannot be laid is refused here
    branched = lineage.with_segment(segment)
    return Resumption(SegmentKind.BRANCH, branched, replace(position, micro=0), reason)


def _from_its_stage(last: Segment, position: Position) -> Segment:
    """The segment as if its plan began with the stage under way, which stays as it is.

    What was chosen for earlier stages, such as their batch, then has no say in where it begins.
    """
    stage = plan_of(last).stage_of_epoch(position.epoch + 1)
    return replace(
        last,
        origin_epoch=stage.first_epoch - 1,
        origin_step=stage.first_step,
        stage2_begin=last.stage1_end,
    )


def _ahead(segment: Segment, position: Position) -> tuple[Stage, ...]:
    """The stages of the segment's plan that are not yet finished, as far as they have an effect.

    Of a stage under way the whole curve counts: one that differs only in what is past goes on
    otherwise when it is extended. A stage is finished when its last epoch is validated.
    """
    try:
        plan = plan_of(segment)
    except SettingsError:
        return ()
    ahead = tuple(s for s in plan.stages if s.last_epoch > position.epoch)
    # A finished run still has the curve that it ended on.
    return tuple(_in_effect(s, position.step) for s in ahead or plan.stages[-1:])


def _in_effect(stage: Stage, now: int) -> Stage:
    """The stage, written in one way wherever flags can say the same thing in several."""
    curve = stage.curve
    risen = not curve.warmup or (stage.rewarm and stage.offset >= curve.warmup)
    if curve.kind == "none" and risen:  # the same wherever it counts from
        floor = curve.floor if stage.rewarm else curve.peak
        curve = replace(curve, floor=floor, warmup=stage.rewarm, steps=stage.steps)
        stage = replace(stage, offset=0, rewarm=0)
    if curve.kind == "cosine_restart" and curve.cycles == 1:
        curve = replace(curve, kind="cosine", t_mult=1.0)
    if curve.kind == "onecycle":
        curve = replace(curve, warmup=curve.rise)
    step = max(stage.first_step, now)
    learning = stage.learning(step)
    unfreezings = [Unfreezing(step, learning)]
    for unfreezing in sorted(stage.unfreezings, key=lambda o: o.step):
        if step < unfreezing.step < stage.end_step and (new := unfreezing.groups - learning):
            unfreezings.append(Unfreezing(unfreezing.step, new))
            learning |= new
    return replace(stage, curve=curve, unfreezings=tuple(unfreezings))


def _only_later(own: Segment, asked: Segment, position: Position) -> bool:
    """Whether the sole change in effect is a later end of stage 2, and stage 3 has not begun."""
    old, wanted = own.schedule, asked.schedule
    if wanted.epochs <= old.epochs or (old.stage3_epochs and position.epoch >= old.epochs):
        return False
    longer = replace(own, schedule=replace(old, epochs=wanted.epochs), opened=asked.opened)
    return _ahead(asked, position) == _ahead(longer, position)


def _changes(
    last: Segment, wanted: ScheduleSettings, images: int, world: int, begun: bool
) -> dict[str, str]:
    """Flags that differ and do not concern a past stage alone, with their change in words."""
    past = _OF_STAGE_1 if begun else frozenset[str]()
    changes = {
        flag_of(
            f.name
        ): f"{shown(getattr(last.schedule, f.name))} -> {shown(getattr(wanted, f.name))}"
        for f in fields(wanted)
        if f.name not in past and getattr(last.schedule, f.name) != getattr(wanted, f.name)
    }
    if images != last.images:
        changes["training images"] = f"{last.images} -> {images}"
    if world != last.world:
        changes["devices"] = f"{last.world} -> {world}"
    return changes


def _still_asked(last: Segment, wanted: ScheduleSettings) -> Mapping[str, Mapping[str, Any]]:
    """Without what is asked for anew: of that, the flags of before the race say nothing more."""
    asked = dict(last.asked)
    if "schedule" in asked:
        asked["schedule"] = {
            name: value
            for name, value in asked["schedule"].items()
            if getattr(wanted, name) == getattr(last.schedule, name)
        }
    return asked


def unfrozen_before(lineage: Lineage, step: int) -> set[str]:
    """Groups that learned in any step before ``step``."""
    opened: set[str] = set()
    for plan, begin, end in lineage.lived():
        last_step = min(end, step) - 1
        if last_step >= begin:
            opened |= plan.learning(last_step)
    return opened
