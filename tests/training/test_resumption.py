"""The words of a resume, from settings and a checkpoint."""

from dataclasses import replace
from typing import Any

import pytest

from decamo.checkpoint import Checkpoint
from decamo.schedule import Lineage, Position, Segment, SegmentKind
from decamo.settings import ScheduleSettings, TrainSettings
from decamo.training import resumption_of
from tests.checkpoints import checkpoint_with

SCHEDULE = ScheduleSettings(epochs=10, stage1_epochs=4, batch_size=2)
SETTINGS = TrainSettings(schedule=SCHEDULE)
LEDGER = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, SCHEDULE, 20),))


def checkpoint(epoch: int, settings: TrainSettings = SETTINGS) -> Checkpoint:
    position = Position(epoch, LEDGER.plan.epoch_start(epoch + 1))
    return checkpoint_with(lineage=LEDGER, position=position, settings=settings)


def word(settings: TrainSettings) -> tuple[str, str]:
    done = resumption_of(settings, checkpoint(6), images=20, world=1)
    assert done.position.epoch == 6
    return done.kind, done.reason


def test_without_a_checkpoint_a_run_starts() -> None:
    done = resumption_of(SETTINGS, None, images=20, world=1)
    assert (done.kind, done.position, done.lineage) == ("start", Position(), LEDGER)


def test_unchanged_settings_continue() -> None:
    assert word(SETTINGS)[0] == "continue"


def test_another_schedule_branches() -> None:
    assert word(replace(SETTINGS, schedule=replace(SCHEDULE, stage2_lr=0.5)))[0] == "branch"


@pytest.mark.parametrize("world", [2, 3])
def test_other_device_counts_continue_with_the_same_images_a_step(world: int) -> None:
    done = resumption_of(SETTINGS, checkpoint(6), images=20, world=world)
    same = resumption_of(SETTINGS, checkpoint(6), images=20, world=1)
    assert (done.kind, done.lineage, done.position) == (same.kind, same.lineage, same.position)
    stage = LEDGER.plan.stage_of_epoch(7)
    images = stage.micro_batch * stage.accumulation
    assert f"devices 1 -> {world}: the same {images} images a step" in done.reason


def test_other_device_counts_and_another_batch_branch() -> None:
    other = replace(SETTINGS, schedule=replace(SCHEDULE, accumulation_steps=5))
    done = resumption_of(other, checkpoint(6), images=20, world=2)
    assert done.kind == "branch"
    assert done.lineage.last.world == 2


@pytest.mark.parametrize(
    ("section", "change", "named"),
    [
        ("optimise", {"weight_decay": 0.3}, "--weight-decay"),
        ("optimise", {"reset_moments": True}, "--reset-moments given"),
        ("run", {"seed": 7}, "--seed 0 -> 7"),
        ("data", {"val_fraction": 0.25}, "--val-fraction"),
        ("data", {"mask_values": ("object=1", "void=255")}, "--mask-values"),
    ],
)
def test_what_else_makes_a_branch_is_named(
    section: str, change: dict[str, Any], named: str
) -> None:
    changed = {section: replace(getattr(SETTINGS, section), **change)}
    got, reason = word(replace(SETTINGS, **changed))
    assert got == "branch"
    assert named in reason


def test_what_only_moves_work_continues() -> None:
    assert word(replace(SETTINGS, data=replace(SETTINGS.data, num_workers=1)))[0] == "continue"


@pytest.mark.parametrize(
    ("words", "others", "want"),
    [
        (("object=1-3",), ("SET",), "branch"),
        (("object=1-3",), (), "continue"),
        ((), ("SET",), "branch"),
        (("object=1-3",), None, "branch"),
    ],
)
def test_what_masks_mean_counts_and_not_the_words(
    words: tuple[str, ...], others: tuple[str, ...] | None, want: str
) -> None:
    changed = replace(SETTINGS, data=replace(SETTINGS.data, mask_values=words))
    done = resumption_of(changed, checkpoint(6), images=20, world=1, other_masks=others)
    assert done.kind == want
    assert ("--mask-values" in done.reason) == (want == "branch")
    if others:
        assert "other masks of SET" in done.reason


def test_the_same_words_in_another_way_continue_where_nobody_looked() -> None:
    one, other = ("object=1-3", "void=255"), ("void=255", "object=3,1,2")
    before, changed = (
        replace(SETTINGS, data=replace(SETTINGS.data, mask_values=words)) for words in (one, other)
    )
    assert resumption_of(changed, checkpoint(6, before), images=20, world=1).kind == "continue"
