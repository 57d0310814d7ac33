from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.errors import SettingsError
from decamo.schedule import HEAD, Lineage, Segment, SegmentKind, plan_of, steps_per_epoch
from decamo.settings import ScheduleSettings

GROUPS = (HEAD, "backbone.0", "backbone.1", "backbone.2", "backbone.3")


def start(images: int = 80, **schedule: object) -> Segment:
    return Segment(SegmentKind.START, 0, 0, 0, 0, ScheduleSettings(**schedule), images)  # type: ignore[arg-type]


@given(st.integers(1, 500), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
def test_steps_per_epoch_counts_short_ends(
    images: int, micro: int, accumulation: int, world: int
) -> None:
    steps = batch = 0
    left = images
    while left > 0:  # brute force: take micro-batches until none is left
        left -= micro * world
        batch += 1
        if batch == accumulation or left <= 0:
            steps, batch = steps + 1, 0
    assert steps_per_epoch(images, micro, accumulation, world) == steps


def test_stages_follow_each_other_in_epochs_and_steps() -> None:
    plan = plan_of(start(epochs=10, stage1_epochs=3, stage2_batch_size=1, stage3_epochs=2))
    spans = [(s.number, s.first_epoch, s.last_epoch, s.steps_per_epoch) for s in plan.stages]
    assert spans == [(1, 1, 3, 10), (2, 4, 10, 20), (3, 11, 12, 20)]
    assert [s.first_step for s in plan.stages] == [0, 30, 170]
    assert plan.end_step == 210
    assert plan.last_epoch == 12


def test_stage_1_freezes_the_backbone_and_uses_its_own_curve_and_rate() -> None:
    plan = plan_of(start(epochs=10, stage1_epochs=3, lr=1e-3))
    assert plan.stages[0].curve.kind == "onecycle"
    assert max(plan.lr(s) for s in range(30)) == 1e-3
    assert plan.learning(0) == {HEAD}
    assert plan.lr(5, "backbone.3") == 0
    assert plan.lr(29) == 1e-5


def test_skipping_stage_1_begins_with_fine_tuning() -> None:
    plan = plan_of(start(epochs=10, stage1_epochs=3, skip_stage1=True))
    assert [s.number for s in plan.stages] == [2]
    assert plan.lr(0) == 0.0002


def test_the_backbone_opens_from_its_last_level_down_in_thirds_of_stage_2() -> None:
    plan = plan_of(start(epochs=120, stage1_epochs=30, progressive_unfreeze=True))
    opened = [plan.learning(plan.epoch_start(e)) for e in (31, 60, 61, 90, 91, 120)]
    assert opened[0] == opened[1] == {HEAD, "backbone.3"}
    assert opened[2] == opened[3] == {HEAD, "backbone.3", "backbone.2"}
    assert opened[4] == opened[5] == set(GROUPS)


def test_without_progressive_unfreezing_all_opens_at_once() -> None:
    plan = plan_of(start(epochs=4, stage1_epochs=1))
    assert plan.learning(plan.epoch_start(2)) == set(GROUPS)


def test_stage_3_polishes_at_its_own_size_and_constant_rate() -> None:
    plan = plan_of(start(epochs=4, stage1_epochs=1, stage3_epochs=2, stage3_img_size=448))
    last = plan.stages[-1]
    assert (last.img_size, last.curve.kind) == (448, "none")
    assert plan.lr(last.first_step) == plan.lr(last.end_step - 1) == 0.00001


def test_warmup_opens_stage_2_alone() -> None:
    plan = plan_of(start(epochs=10, stage1_epochs=2, warmup_epochs=2))
    assert [s.curve.warmup for s in plan.stages] == [0, 20]


def test_a_warmup_longer_than_what_is_left_is_refused() -> None:
    schedule = ScheduleSettings(epochs=120, warmup_epochs=3)
    branch = Segment(SegmentKind.BRANCH, 118, 900, 118, 900, schedule, 80)
    with pytest.raises(SettingsError, match=r"--warmup-epochs: got 3, but stage 2 has 2"):
        plan_of(branch)


def test_no_epoch_left_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"--epochs: got 120"):
        plan_of(Segment(SegmentKind.BRANCH, 120, 900, 120, 900, ScheduleSettings(), 80))


@given(
    st.integers(0, 59),
    st.sampled_from(["onecycle", "cosine", "cosine_restart", "none"]),
    st.sampled_from(["resume", "stage"]),
    st.booleans(),
    st.integers(1, 60),
)
def test_the_backbone_keeps_its_ratio_everywhere_and_the_floor_never_lifts_it(
    done: int, curve: str, origin: str, progressive: bool, images: int
) -> None:
    schedule = ScheduleSettings(
        epochs=60,
        stage1_epochs=20,
        scheduler=curve,
        schedule_origin=origin,
        progressive_unfreeze=progressive,
        backbone_lr_ratio=0.1,
    )
    plan = plan_of(Segment(SegmentKind.BRANCH, done, 7, done, 7, schedule, images))
    for step in range(plan.first_step, plan.end_step):
        head = plan.lr(step)
        for group in GROUPS[1:]:
            assert plan.lr(step, group) in (0.0, pytest.approx(0.1 * head))


@given(st.integers(0, 119), st.integers(1, 60))
def test_a_branch_covers_each_remaining_epoch_once(done: int, images: int) -> None:
    plan = plan_of(Segment(SegmentKind.BRANCH, done, 33, done, 33, ScheduleSettings(), images))
    assert (plan.first_epoch, plan.last_epoch, plan.first_step) == (done + 1, 120, 33)
    starts = [plan.epoch_start(e) for e in range(done + 1, 121)]
    assert starts == sorted(set(starts))
    assert starts[0] == 33


def test_lived_segments_end_where_the_next_begins() -> None:
    first = start(epochs=10, stage1_epochs=2)
    second = replace(
        first, kind=SegmentKind.BRANCH, at_epoch=5, at_step=50, origin_epoch=5, origin_step=50
    )
    lived = list(Lineage((first, second)).lived())
    assert [(begin, end) for _, begin, end in lived] == [(0, 50), (50, 100)]


def test_plain_round_trip() -> None:
    lineage = Lineage((start(epochs=10, stage1_epochs=2), start(epochs=32)))
    assert Lineage.from_plain(lineage.to_plain()) == lineage
