"""A small checkpoint to race, as plans see it and on the disk; and made-up trials."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from decamo.checkpoint import Checkpoint
from decamo.checkpoint.load_save import load_checkpoint
from decamo.history import Event
from decamo.races.branch import CONTROL, TWIN, Branch
from decamo.races.race import Race
from decamo.races.start_point import StartPoint
from decamo.races.trial import Course
from decamo.races.trial_files import LostTrial, Result, Rung
from decamo.schedule import Lineage, Position, Segment, SegmentKind
from decamo.settings import TrainSettings
from decamo.settings.plain import from_plain, merged, to_plain
from decamo.training.data_splits import find_splits
from decamo.training.runtime import open_runtime
from tests.training.conftest import tiny_settings

SCHEDULE: Mapping[str, Any] = {
    "epochs": 120,
    "stage1_epochs": 30,
    "stage2_lr": 0.00005,
    "scheduler": "none",
    "accumulation_steps": 1,
}


def start(epoch: int = 86, *, images: int = 20, **changes: Any) -> StartPoint:
    """The run of the action plan, or one with another schedule, at an epoch."""
    settings = from_plain({"schedule": {**SCHEDULE, **changes}})
    lineage = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, settings.schedule, images),))
    at = Position(epoch, lineage.plan.epoch_start(epoch + 1))
    return StartPoint(settings, lineage, at, images)


def turned_down(at: StartPoint, rate: float) -> StartPoint:
    """The same run, ten epochs after somebody set it to a low constant rate."""
    schedule = replace(at.lineage.last.schedule, scheduler="none", stage2_lr=rate)
    step = at.position.step
    branch = replace(
        at.lineage.last,
        kind=SegmentKind.BRANCH,
        at_epoch=at.done,
        at_step=step,
        origin_epoch=at.done,
        origin_step=step,
        schedule=schedule,
    )
    lineage = at.lineage.with_segment(branch)
    position = Position(at.done + 10, lineage.plan.epoch_start(at.done + 11))
    settings = replace(at.settings, schedule=schedule)
    return replace(at, settings=settings, lineage=lineage, position=position)


def result(
    name: str, rungs: Mapping[int, Sequence[float]], lost: LostTrial | None = None
) -> Result:
    """A trial with these scores of images after so many epochs."""
    made = {
        n: Rung(86 + n, n, sum(ious) / len(ious), {f"i{k}": v for k, v in enumerate(ious)}, 1, 1, 1)
        for n, ious in rungs.items()
    }
    return Result(name, made, lost)


BRANCHES = (
    Branch(CONTROL, "what if nothing is changed?"),
    Branch(TWIN, "chance?", {"run": {"seed": 1}}),
    Branch("high", "higher?", {"schedule": {"stage2_lr": 0.01, "scheduler": "cosine"}}),
    Branch("fresh", "stale?", before="forget moments"),
)


def course(
    scenes: Path,
    checkpoint: Path,
    root: Path,
    *,
    epochs: int = 2,
    stop: Callable[[], str] = lambda: "",
    **changes: Mapping[str, Any],
) -> Course:
    """Of a race of a tiny run's checkpoint."""
    root.parent.mkdir(exist_ok=True)
    state = load_checkpoint(checkpoint)
    settings = settings_of(scenes, state, checkpoint, **changes)
    splits = find_splits(settings.data, root.parent / "census.json", lambda _done, _of: None)
    at = StartPoint(settings, state.lineage, state.position, len(splits.train))
    return Course(
        root, checkpoint, state, at, splits, open_runtime("cpu", "fp32"), epochs, stop, lambda: 0.0
    )


def settings_of(
    scenes: Path, state: Checkpoint, checkpoint: Path, **changes: Mapping[str, Any]
) -> TrainSettings:
    """The checkpoint's own, with other values."""
    settings = tiny_settings(scenes, checkpoint.parent)
    own = from_plain(merged(to_plain(state.settings), changes))
    return replace(own, data=settings.data, run=replace(own.run, resume_from=checkpoint))


def race(
    at: Course,
    branches: Sequence[Branch] = BRANCHES,
    on_event: Callable[[str, Event], None] = lambda _name, _event: None,
    *,
    keep_all: bool = True,
) -> Race:
    """A race that says nothing."""
    return Race(at, branches, keep_all, on_event, lambda _: None)
