"""The lineage: every segment of a run, in order, each with its reason; and the plan of each."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from decamo.errors import SettingsError
from decamo.schedule.lr_schedule import LRSchedule
from decamo.schedule.timeline import HEAD, Plan, Stage, Unfreezing, backbone_group
from decamo.settings.schedule import ScheduleSettings

__all__ = ["Lineage", "Segment", "SegmentKind", "plan_of", "steps_per_epoch"]


class SegmentKind(StrEnum):
    """How a run starts or goes on; the value is the word that people read and files hold."""

    START = "start"
    CONTINUE = "continue"  # of a resume alone: it begins no segment
    EXTEND = "extend"  # the same curve with a later end
    BRANCH = "branch"  # another plan from here on, as a person or a race chose
    ROLLBACK = "rollback"  # these three the run itself decides (:mod:`.mend`)
    SPLIT = "split"
    RACE = "race"


@dataclass(frozen=True)
class Segment:
    """One stretch of a run under one schedule.

    Attributes:
        kind: how it began.
        at_epoch: epochs completed when it began.
        at_step: optimizer steps made when it began.
        origin_epoch: epochs completed where its plan begins: for a branch where it set out, for
            an extension where the stage that it lengthens began, so that its curve counts on.
        origin_step: optimizer steps made there.
        schedule: the schedule followed.
        images: training images in an epoch.
        world: devices that train together.
        levels: pyramid levels of the backbone, each a parameter group.
        opened: groups that had learned when it began; no plan freezes them again.
        reason: why, for people.
        scale: share of the schedule's learning rates that is used; a rollback lowers it.
        micro_batch_splits: by stage (1 to 3), in how many pieces the device takes a micro-batch; a
            step's images stay the same.
        asked: what the flags had asked for where a race chose otherwise, by section and option:
            the same flags given again mean this segment.
        stage2_begin: epochs completed where stage 2 begins. Once it has begun this is a fact that
            no flag of a later resume unmakes; None as the flags of a new run say.
    """

    kind: SegmentKind
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
    micro_batch_splits: tuple[int, int, int] = (1, 1, 1)
    asked: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    stage2_begin: int | None = None

    @property
    def stage1_end(self) -> int:
        """Epochs completed where stage 1 ends and stage 2 begins."""
        if self.stage2_begin is not None:
            return self.stage2_begin
        s = self.schedule
        return min(s.stage1_epochs, self.origin_epoch) if s.skip_stage1 else s.stage1_epochs


@dataclass(frozen=True)
class Lineage:
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

    def with_segment(self, segment: Segment) -> "Lineage":
        """This lineage and one more segment."""
        return Lineage((*self.segments, segment))

    def lived(self) -> Iterator[tuple[Plan, int, int]]:
        """Each segment's plan with the absolute steps ``[from, to)`` over which it was followed."""
        ends = [s.at_step for s in self.segments[1:]]
        for segment, end in zip(self.segments, [*ends, self.plan.end_step], strict=True):
            yield plan_of(segment), segment.at_step, end

    def plan_at(self, step: int) -> Plan:
        """The plan under which absolute ``step`` was made, or will be."""
        return plan_of(next((s for s in reversed(self.segments) if s.at_step <= step), self.last))

    def epoch_of(self, step: int) -> int:
        """The epoch, from 1, that absolute ``step`` belongs to.

        A branch begins an interrupted epoch anew; the steps made before count as that epoch's too.
        """
        return self.plan_at(step).epoch_at(step)

    def steps_of(self, epoch: int) -> range:
        """The absolute steps of ``epoch`` (from 1); of one that a branch began anew, the later."""
        plans = (plan_of(segment) for segment in reversed(self.segments))
        plan = next((p for p in plans if p.first_epoch <= epoch <= p.last_epoch), self.plan)
        first = plan.epoch_start(epoch)
        return range(first, first + plan.stage_of_epoch(epoch).steps_per_epoch)

    def rates_at(self, step: int) -> dict[str, float]:
        """Learning rate of each group at absolute ``step``, past or to come; 0 while frozen."""
        plan = self.plan_at(step)
        return {group: plan.lr(step, group) for group in plan.ratios}

    def stage2_has_begun(self, step: int) -> bool:
        """Whether a step before absolute ``step`` was made in stage 2 or 3."""
        return any(
            max(stage.first_step, begin) < min(stage.end_step, end, step)
            for plan, begin, end in self.lived()
            for stage in plan.stages
            if stage.number > 1
        )

    def to_plain(self) -> list[dict[str, Any]]:
        """Plain values, for a checkpoint."""
        return [_plain_segment(segment) for segment in self.segments]

    @staticmethod
    def from_plain(plain: list[dict[str, Any]]) -> "Lineage":
        """The inverse of :meth:`to_plain`."""
        segments: list[Segment] = []
        for p in plain:
            segment = _segment(p)
            if segments and "stage2_begin" not in p:
                segment = _with_its_stage1(segment, segments[-1])
            segments.append(segment)
        return Lineage(tuple(segments))


def _plain_segment(segment: Segment) -> dict[str, Any]:
    plain = asdict(segment)
    kind: SegmentKind = plain.pop("kind")
    lists = {"opened": list(segment.opened), "pieces": list(plain.pop("micro_batch_splits"))}
    return {"word": kind.value} | plain | lists


def _segment(plain: dict[str, Any]) -> Segment:
    values = {name: value for name, value in plain.items() if name != "word"}
    values |= {
        "kind": SegmentKind(plain["word"]),
        "schedule": ScheduleSettings(**plain["schedule"]),
        "opened": tuple(plain.get("opened", ())),
    }
    if "pieces" in plain:  # not in checkpoints of 0.1.0
        values["micro_batch_splits"] = tuple(values.pop("pieces"))
    return Segment(**values)


def _with_its_stage1(segment: Segment, before: Segment) -> Segment:
    """An extension of 0.1.0 with the stage 1 that its run had.

    Under ``--skip-stage1`` it was written down as if there had been none; its steps were made
    where this plan has them, and what lies ahead goes on from there.
    """
    if segment.kind is SegmentKind.BRANCH or segment.stage1_end == before.stage1_end:
        return segment
    return replace(segment, stage2_begin=before.stage1_end)


def steps_per_epoch(images: int, micro_batch: int, accumulation: int, world: int) -> int:
    """Optimizer steps in an epoch; a short last micro-batch and a short last group both count."""
    micro_batches = -(-images // (micro_batch * world))
    return -(-micro_batches // accumulation)


@lru_cache(maxsize=256)  # asked several times a step, of the few segments that a run has
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
    s, boundary = segment.schedule, segment.stage1_end
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
        unfreezings=_unfreezings(segment, number, (begin, end), start, step, per_epoch),
        micro_batch_splits=segment.micro_batch_splits[number - 1],
    )


def _curve(segment: Segment, number: int, steps: int, warmup: int) -> LRSchedule:
    s, scale = segment.schedule, segment.scale
    if number == 3:
        return LRSchedule("none", scale * s.stage3_lr, scale * min(s.min_lr, s.stage3_lr), steps)
    kind, peak = (s.stage1_scheduler, s.lr) if number == 1 else (s.scheduler, s.stage2_lr)
    cycles, t_mult = (s.cycles, s.t_mult) if kind == "cosine_restart" else (1, 1.0)
    floor = min(s.min_lr, peak)
    return LRSchedule(kind, scale * peak, scale * floor, steps, warmup, cycles, t_mult)


def _unfreezings(
    segment: Segment,
    number: int,
    bounds: tuple[int, int],
    start: int,
    step: int,
    per_epoch: int,
) -> tuple[Unfreezing, ...]:
    """What learns: the head always; the backbone in stage 2 at once or by thirds, last level first.

    The thirds are those of the whole stage, wherever a branch joined it, and begin with an epoch.
    """
    head = Unfreezing(step, frozenset({HEAD}))
    if number == 1:
        return (head,)
    down = [backbone_group(level) for level in reversed(range(segment.levels))]
    if number == 3 or not segment.schedule.progressive_unfreeze:
        return (Unfreezing(step, head.groups | set(down)),)
    begin, end = bounds
    unfreezings = [Unfreezing(step, head.groups | set(segment.opened))]
    for third in range(3):
        groups = down[third * len(down) // 3 : (third + 1) * len(down) // 3]
        opens = begin + third * (end - begin) // 3
        unfreezings.append(Unfreezing(step + max(opens - start, 0) * per_epoch, frozenset(groups)))
    return tuple(unfreezings)
