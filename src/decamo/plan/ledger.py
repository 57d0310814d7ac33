"""The ledger: every segment of a run, in order, each with its reason; and the plan of each."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from decamo.errors import SettingsError
from decamo.plan.curves import Curve
from decamo.plan.plan import Plan
from decamo.plan.stage import HEAD, Opening, Stage, backbone_group
from decamo.settings.schedule import ScheduleSettings

__all__ = ["Ledger", "Segment", "plan_of", "steps_per_epoch"]


@dataclass(frozen=True)
class Segment:
    """One stretch of a run under one schedule.

    Attributes:
        word: how it began: ``start``, ``extend`` or ``branch``, as a person or a race chose;
            ``rollback``, ``split`` or ``race``, as the run itself did (:mod:`decamo.plan.mend`).
        at_epoch: epochs completed when it began.
        at_step: optimiser steps made when it began.
        origin_epoch: epochs completed where its curves count from; ``extend`` keeps the origin
            of the segment before.
        origin_step: optimiser steps made there.
        schedule: the schedule followed.
        images: training images in an epoch.
        world: devices that train together.
        levels: pyramid levels of the backbone, each a parameter group.
        opened: groups that had learned before the origin; a branch never freezes them again.
        reason: why, for people.
        scale: share of the schedule's learning rates that is used; a rollback lowers it.
        pieces: by stage (1 to 3), in how many pieces the device takes a micro-batch; a step's
            images stay the same.
        asked: what the flags had asked for where a race chose otherwise, by section and option:
            the same flags given again mean this segment.
    """

    word: str
    at_epoch: int
    at_step: int
    origin_epoch: int
    origin_step: int
    schedule: ScheduleSettings
    images: int
    world: int = 1
    levels: int = 4
    opened: tuple[str, ...] = ()
    reason: str = ""
    scale: float = 1.0
    pieces: tuple[int, int, int] = (1, 1, 1)
    asked: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Ledger:
    """The segments of a run, oldest first; never empty."""

    segments: tuple[Segment, ...]

    @property
    def last(self) -> Segment:
        """The segment in force."""
        return self.segments[-1]

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return plan_of(self.last)

    def with_segment(self, segment: Segment) -> "Ledger":
        """This ledger and one more segment."""
        return Ledger((*self.segments, segment))

    def lived(self) -> Iterator[tuple[Plan, int, int]]:
        """Each segment's plan with the absolute steps ``[from, to)`` over which it was followed."""
        ends = [s.at_step for s in self.segments[1:]]
        for segment, end in zip(self.segments, [*ends, self.plan.end_step], strict=True):
            yield plan_of(segment), segment.at_step, end

    def to_plain(self) -> list[dict[str, Any]]:
        """Plain values, for a checkpoint."""
        return [
            asdict(s) | {"opened": list(s.opened), "pieces": list(s.pieces)} for s in self.segments
        ]

    @staticmethod
    def from_plain(plain: list[dict[str, Any]]) -> "Ledger":
        """The inverse of :meth:`to_plain`."""
        return Ledger(tuple(_segment(p) for p in plain))


def _segment(plain: dict[str, Any]) -> Segment:
    schedule = ScheduleSettings(**plain["schedule"])
    values = plain | {"schedule": schedule, "opened": tuple(plain["opened"])}
    if "pieces" in plain:  # not in checkpoints of 0.1.0
        values["pieces"] = tuple(plain["pieces"])
    return Segment(**values)


def steps_per_epoch(images: int, micro_batch: int, accumulation: int, world: int) -> int:
    """Optimiser steps in an epoch; a short last micro-batch and a short last group both count."""
    micro_batches = -(-images // (micro_batch * world))
    return -(-micro_batches // accumulation)


def plan_of(segment: Segment) -> Plan:
    """The plan that a segment follows from its origin on: a pure function.

    Raises:
        SettingsError: no epoch is left, or a warm-up is longer than what is left of its stage.
    """
    stages: list[Stage] = []
    epoch, step = segment.origin_epoch, segment.origin_step
    for number, (begin, end) in enumerate(_bounds(segment), start=1):
        if end > max(epoch, begin):
            stage = _stage(segment, number, begin, end, epoch, step)
            stages.append(stage)
            epoch, step = end, stage.end_step
    if not stages:
        raise SettingsError(
            "--epochs",
            f"got {segment.schedule.epochs}, but {segment.origin_epoch} epochs are done",
            f"give more than {segment.origin_epoch}",
        )
    return Plan(tuple(stages), _ratios(segment))


def _bounds(segment: Segment) -> tuple[tuple[int, int], ...]:
    """Epochs completed at the begin and at the end of stages 1, 2 and 3."""
    s = segment.schedule
    # Skipping stage 1 starts stage 2 where the run stands, not before epoch 1 of it.
    boundary = min(s.stage1_epochs, segment.origin_epoch) if s.skip_stage1 else s.stage1_epochs
    return ((0, boundary), (boundary, s.epochs), (s.epochs, s.last_epoch))


def _ratios(segment: Segment) -> Mapping[str, float]:
    levels = range(segment.levels)
    ratio = segment.schedule.backbone_lr_ratio
    return {HEAD: 1.0} | {backbone_group(level): ratio for level in levels}


def _stage(segment: Segment, number: int, begin: int, end: int, epoch: int, step: int) -> Stage:
    s = segment.schedule
    micro_batch = s.batch_size if number == 1 else s.fine_tune_batch
    per_epoch = steps_per_epoch(segment.images, micro_batch, s.accumulation_steps, segment.world)
    start = max(begin, epoch)
    midway = start > begin  # only a branch can start here
    joined = midway and s.schedule_origin == "stage"
    curve_epochs = end - (begin if joined else start)
    warm_epochs = s.warmup_epochs if number == 2 or (number == 1 and midway) else 0
    if warm_epochs >= end - start and warm_epochs:
        raise SettingsError(
            "--warmup-epochs",
            f"got {warm_epochs}, but stage {number} has {end - start} epochs left",
            f"give at most {end - start - 1}, or raise --epochs",
        )
    return Stage(
        number=number,
        first_epoch=start + 1,
        epochs=end - start,
        first_step=step,
        steps_per_epoch=per_epoch,
        micro_batch=micro_batch,
        accumulation=s.accumulation_steps,
        img_size=(number == 3 and s.stage3_img_size) or s.img_size,
        curve=_curve(segment, number, curve_epochs * per_epoch, warm_epochs * per_epoch),
        offset=(start - begin) * per_epoch if joined else 0,
        rewarm=warm_epochs * per_epoch if joined else 0,
        openings=_openings(segment, number, (begin, end), start, step, per_epoch),
        pieces=segment.pieces[number - 1],
    )


def _curve(segment: Segment, number: int, steps: int, warmup: int) -> Curve:
    s, scale = segment.schedule, segment.scale
    if number == 3:
        return Curve("none", scale * s.stage3_lr, scale * min(s.min_lr, s.stage3_lr), steps)
    kind, peak = (s.stage1_scheduler, s.lr) if number == 1 else (s.scheduler, s.stage2_lr)
    cycles, t_mult = (s.cycles, s.t_mult) if kind == "cosine_restart" else (1, 1.0)
    floor = min(s.min_lr, peak)
    return Curve(kind, scale * peak, scale * floor, steps, warmup, cycles, t_mult)


def _openings(
    segment: Segment,
    number: int,
    bounds: tuple[int, int],
    start: int,
    step: int,
    per_epoch: int,
) -> tuple[Opening, ...]:
    """What learns: the head always; the backbone in stage 2 at once or by thirds, last level first.

    The thirds are those of the whole stage, wherever a branch joined it, and begin with an epoch.
    """
    head = Opening(step, frozenset({HEAD}))
    if number == 1:
        return (head,)
    down = [backbone_group(level) for level in reversed(range(segment.levels))]
    if number == 3 or not segment.schedule.progressive_unfreeze:
        return (Opening(step, head.groups | set(down)),)
    begin, end = bounds
    openings = [Opening(step, head.groups | set(segment.opened))]
    for third in range(3):
        groups = down[third * len(down) // 3 : (third + 1) * len(down) // 3]
        opens = begin + third * (end - begin) // 3
        openings.append(Opening(step + max(opens - start, 0) * per_epoch, frozenset(groups)))
    return tuple(openings)
