"""Look a plan over before a GPU hour is spent: what it will take, and what a curve cannot do."""

from dataclasses import dataclass

from decamo.schedule.lineage import Lineage, SegmentKind
from decamo.schedule.timeline import Position
from decamo.settings import flag_of, shown

__all__ = [
    "DryRun",
    "RehearsedStage",
    "Spending",
    "review",
]


@dataclass(frozen=True)
class Spending:
    """What a stage will take.

    Attributes:
        stage: its number.
        epochs: epochs still to train.
        seconds_per_epoch: or None where nothing is known.
        memory_bytes: largest need of the device, or None where it was not counted.
        source: where the numbers come from, for people.
    """

    stage: int
    epochs: int
    seconds_per_epoch: float | None
    memory_bytes: int | None
    source: str


@dataclass(frozen=True)
class RehearsedStage:
    """What a stage was seen to take.

    Attributes:
        stage: its number.
        epochs: epochs still to train.
        steps: optimizer steps of an epoch.
        step_seconds: of an optimizer step, reading included.
        micro_batch_splits: in how many pieces each micro-batch had to go to fit.
        memory_bytes: the most that the device held; on a CPU, this process.
    """

    stage: int
    epochs: int
    steps: int
    step_seconds: float
    micro_batch_splits: int
    memory_bytes: int


@dataclass(frozen=True)
class DryRun:
    """What a whole plan was seen to take.

    Attributes:
        stages: those that lie ahead.
        val_seconds: of one validation.
        save_seconds: of one save.
        load_seconds: of reading it back.
        file_bytes: of a checkpoint.
        disk_bytes: that the run may still need in its folder.
    """

    stages: tuple[RehearsedStage, ...]
    val_seconds: float
    save_seconds: float
    load_seconds: float
    file_bytes: int
    disk_bytes: int

    @property
    def seconds(self) -> float:
        """Of the whole plan that lies ahead."""
        each = self.val_seconds + self.save_seconds
        return sum(s.epochs * (s.steps * s.step_seconds + each) for s in self.stages)


_AT_ITS_START = Position()

# Flags by which a person says what the rate shall be, by the stage under way; the peak comes first.
_OF_RATES = {
    1: ("lr", "stage1_scheduler", "schedule_origin"),
    2: ("stage2_lr", "scheduler", "schedule_origin"),
    3: ("stage3_lr",),
}


def review(lineage: Lineage, position: Position = _AT_ITS_START) -> tuple[str, ...]:
    """Warnings about the plan in force, each one sentence for people.

    Args:
        lineage: the run's segments.
        position: where the run stands; a rise that lies behind it is no longer warned of.
    """
    return (*_never_anneals(lineage), *_rises(lineage, position), *_reset_by_short_cycles(lineage))


def _never_anneals(lineage: Lineage) -> list[str]:
    last = lineage.plan.stages[-1]
    stage2 = next((s for s in lineage.plan.stages if s.number == 2), None)
    if last.number == 3 or stage2 is None or stage2.curve.kind != "none":
        return []
    return [
        f"the learning rate never anneals: --scheduler none holds {shown(stage2.curve.peak)} to the"
        " end; --scheduler cosine lets the run settle"
    ]


def _rises(lineage: Lineage, position: Position) -> list[str]:
    """Rises that nobody asked for: at a resume, and where stage 3 starts higher."""
    warnings = _rises_at_the_resume(lineage) if position.step <= lineage.last.at_step else []
    for earlier, later in zip(lineage.plan.stages, lineage.plan.stages[1:], strict=False):
        ends, starts = earlier.lr(earlier.end_step - 1), later.lr(later.first_step)
        if later.number == 3 and later.first_step >= position.step and starts > ends:
            warnings.append(
                f"stage 3 starts at {starts:.6f}, above the {ends:.6f} on which stage 2 ends;"
                " give a --stage3-lr of at most --min-lr to polish"
            )
    return warnings


def _rises_at_the_resume(lineage: Lineage) -> list[str]:
    """Where an extension or a branch begins above the rate before, and no flag asks for a rate."""
    segment = lineage.last
    if (
        len(lineage.segments) == 1
        or segment.at_step == 0
        or segment.kind not in (SegmentKind.EXTEND, SegmentKind.BRANCH)
    ):
        return []
    plan, step = lineage.plan_at(segment.at_step - 1), segment.at_step
    if not plan.stage_at(step - 1).curve.known:
        return []
    before, now = plan.lr(step - 1), lineage.plan.lr(step)
    stage = lineage.plan.stage_at(step).number
    earlier = lineage.segments[-2].schedule
    asked = (
        segment.kind is SegmentKind.BRANCH
        and any(  # in an extension no such flag has an effect
            getattr(earlier, name) != getattr(segment.schedule, name) for name in _OF_RATES[stage]
        )
    )
    if now <= before or plan.stage_at(step - 1).number < stage or asked:
        return []
    digits = 6 if f"{before:.6f}" != f"{now:.6f}" else 9
    return [
        f"the learning rate rises from {before:.{digits}f} to {now:.{digits}f} at epoch"
        f" {segment.at_epoch + 1}: {_cause_and_remedy(lineage)}"
    ]


def _cause_and_remedy(lineage: Lineage) -> str:
    """Why the rate is higher at a resume, and how to have it otherwise."""
    segment, stage = lineage.last, lineage.plan.stage_at(lineage.last.at_step)
    flag = flag_of(_OF_RATES[stage.number][0])
    if segment.kind is SegmentKind.EXTEND:
        return (
            f"the longer curve stands higher there; give {flag} as well to branch at another rate"
        )
    if lineage.segments[-2].scale < segment.scale:
        return f"a branch takes back what rollbacks have halved; give {flag} for another rate"
    if stage.offset:
        return f"the curve that it joins stands higher there; give {flag} for another rate"
    anew = f"its curve begins anew; give {flag} for another rate"
    begin = {1: 0, 2: segment.stage1_end}.get(stage.number, segment.at_epoch)
    if segment.at_epoch == begin:  # there is nothing to join yet; stage 3 is flat
        return anew
    return f"{anew}, or --schedule-origin stage to join the curve where the run stands"


def _reset_by_short_cycles(lineage: Lineage) -> list[str]:
    warnings = []
    for stage in lineage.plan.stages:
        starts = stage.curve.cycle_starts()
        if stage.curve.kind == "cosine_restart" and len(starts) > 1:
            shortest = starts[1] - starts[0]
            if shortest < stage.steps_per_epoch:
                warnings.append(
                    f"the first cycle of stage {stage.number} has {shortest} steps, less than an"
                    f" epoch ({stage.steps_per_epoch}); give fewer --cycles or a smaller --t-mult"
                )
    return warnings
