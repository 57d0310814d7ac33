"""The three words of a resume, and the numbers of the action plan."""

from dataclasses import replace
from typing import Any

import pytest

from decamo.errors import SettingsError
from decamo.schedule import HEAD, Lineage, Position, Resumption, Segment, SegmentKind, resume
from decamo.settings import ScheduleSettings

# The run that got stuck: a constant rate, 86 of 120 epochs. 40 images in steps of 4: 10 an epoch.
STUCK = ScheduleSettings(scheduler="none", stage2_lr=0.00005, stage2_batch_size=1)
LEDGER = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, STUCK, 40),))
OPTION_1 = ScheduleSettings(
    skip_stage1=True,
    batch_size=2,
    stage2_batch_size=1,
    accumulation_steps=4,
    img_size=384,
    epochs=120,
    stage1_epochs=30,
    lr=0.00025,
    stage2_lr=0.0002,
    scheduler="cosine",
    min_lr=0.00001,
    progressive_unfreeze=True,
)


def at(epoch: int, lineage: Lineage = LEDGER) -> Position:
    return Position(epoch, lineage.plan.epoch_start(epoch + 1))


def go_on(wanted: ScheduleSettings, epoch: int = 86, **others: Any) -> Resumption:
    return resume(LEDGER, wanted, at(epoch), **({"images": 40} | others))


def test_unchanged_flags_continue() -> None:
    done = go_on(STUCK)
    assert done.kind == "continue"
    assert done.lineage == LEDGER


def test_where_a_race_s_winner_sets_out_people_are_told_of_the_branch() -> None:
    went = go_on(OPTION_1)
    said = replace(went.lineage.last, reason="escape, 5 trials of 5 epochs: winner: advice")
    lineage = LEDGER.with_segment(said)
    here = resume(lineage, OPTION_1, went.position, images=40)
    assert (here.kind, here.lineage) == ("continue", lineage)  # the plan is the lineage's own
    assert here.told == ("branch", said.reason)
    later = resume(lineage, OPTION_1, at(87, lineage), images=40)
    assert later.told == (later.kind, later.reason) == ("continue", later.reason)
    assert later.reason != said.reason


def test_all_other_words_are_told_as_they_are() -> None:
    for done in (go_on(STUCK), go_on(OPTION_1), go_on(replace(STUCK, epochs=150))):
        assert done.told == (done.kind, done.reason)
    first = resume(LEDGER, STUCK, Position(), images=40)
    assert first.told == ("continue", first.reason)  # saved before its first step


@pytest.mark.parametrize(
    "change",
    [{"lr": 0.01}, {"stage1_scheduler": "cosine"}, {"skip_stage1": True}, {"t_mult": 3.0}],
)
def test_a_flag_without_effect_on_what_lies_ahead_continues(change: dict[str, Any]) -> None:
    assert go_on(replace(STUCK, **change)).kind == "continue"


def test_option_1_at_epoch_86_has_the_rates_of_the_action_plan() -> None:
    done = go_on(OPTION_1)
    plan = done.lineage.plan
    assert done.kind == "branch"
    assert "--scheduler none -> cosine" in done.reason
    assert plan.lr(plan.epoch_start(87)) == 0.0002
    assert plan.lr(plan.epoch_start(104)) == pytest.approx(0.000105, rel=0.01)
    assert plan.lr(plan.end_step - 1) == 0.00001
    assert plan.lr(plan.end_step - 1, "backbone.0") == pytest.approx(0.000001)
    assert (plan.first_epoch, plan.last_epoch) == (87, 120)


def test_with_origin_stage_epoch_87_stands_where_a_cosine_from_epoch_31_would() -> None:
    plan = go_on(replace(OPTION_1, schedule_origin="stage")).lineage.plan
    assert plan.lr(plan.epoch_start(87)) == pytest.approx(0.000069, rel=0.01)
    assert plan.lr(plan.end_step - 1) == 0.00001


def test_option_2_and_3() -> None:
    aggressive = replace(OPTION_1, epochs=150, stage2_lr=0.0003, min_lr=0.00002)
    plan = go_on(aggressive).lineage.plan
    assert (plan.lr(plan.first_step), plan.lr(plan.end_step - 1)) == (0.0003, 0.00002)
    assert plan.last_epoch == 150
    resolution = replace(aggressive, img_size=416, warmup_epochs=3)
    plan = go_on(resolution).lineage.plan
    assert plan.stages[0].img_size == 416
    assert plan.lr(plan.epoch_start(90)) == 0.0003
    assert plan.lr(plan.epoch_start(87)) < plan.lr(plan.epoch_start(89)) < 0.0003


def test_a_later_end_alone_extends_the_same_curve() -> None:
    lineage = go_on(OPTION_1).lineage
    here = at(100, lineage)
    done = resume(lineage, replace(OPTION_1, epochs=150), here, images=40)
    assert done.kind == "extend"
    assert done.lineage.last.origin_epoch == 86
    plan = done.lineage.plan
    # the same cosine from epoch 87 on, with 64 epochs to fall instead of 34
    share = (here.step - plan.first_step) / (plan.end_step - 1 - plan.first_step)
    assert share == pytest.approx(14 / 64, rel=0.01)
    assert plan.lr(here.step) > lineage.plan.lr(here.step)


def test_a_finished_run_can_be_extended_but_a_new_rate_is_a_branch() -> None:
    lineage = go_on(OPTION_1).lineage
    end = Position(120, lineage.plan.end_step)
    assert resume(lineage, replace(OPTION_1, epochs=150), end, images=40).kind == "extend"
    faster = replace(OPTION_1, epochs=150, stage2_lr=0.0003)
    done = resume(lineage, faster, end, images=40)
    assert done.kind == "branch"
    assert done.lineage.plan.lr(end.step) == 0.0003


def test_a_warmup_that_only_the_later_end_has_room_for_is_a_branch() -> None:
    short = replace(STUCK, epochs=4, stage1_epochs=0)
    lineage = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, short, 40),))
    wanted = replace(short, epochs=12, warmup_epochs=5)
    assert resume(lineage, wanted, at(4, lineage), images=40).kind == "branch"


@pytest.mark.parametrize(
    "change",
    [
        {"stage2_lr": 0.0003},
        {"stage2_lr": 0.0003, "epochs": 140},
        {"scheduler": "cosine"},
        {"scheduler": "onecycle", "epochs": 140},
        {"warmup_epochs": 2, "epochs": 140},
        {"stage2_batch_size": 2},
    ],
)
def test_a_stage_whose_last_epoch_is_not_validated_is_not_past(change: dict[str, Any]) -> None:
    """Its last step is made, but a later end would go on with its curve."""
    polished = replace(STUCK, stage3_epochs=2)
    lineage = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, polished, 40),))
    stopped = Position(119, lineage.plan.epoch_start(121), micro=40)
    assert resume(lineage, polished, stopped, images=40).kind == "continue"
    done = resume(lineage, replace(polished, **change), stopped, images=40)
    assert (done.kind, done.position.micro) == ("branch", 0)


@pytest.mark.parametrize("origin", ["resume", "stage"])
@pytest.mark.parametrize("unfreeze", [False, True])
def test_a_branch_that_0_1_0_wrote_down_continues_before_its_first_step(
    origin: str, unfreeze: bool
) -> None:
    """Its lineages do not say where stage 2 begins: as the flags say, also behind the branch."""
    asked = replace(
        STUCK,
        stage1_epochs=0,
        scheduler="cosine",
        schedule_origin=origin,
        progressive_unfreeze=unfreeze,
    )
    here = at(30)
    branch = Segment(SegmentKind.BRANCH, 30, here.step, 30, here.step, asked, 40)
    lineage = LEDGER.with_segment(branch)
    done = resume(lineage, asked, here, images=40)
    assert (done.kind, done.lineage) == ("continue", lineage)


def test_a_second_resume_of_a_branch_continues_it() -> None:
    branched = go_on(OPTION_1)
    later = resume(branched.lineage, OPTION_1, at(95, branched.lineage), images=40)
    assert later.kind == "continue"
    assert later.lineage.plan == branched.lineage.plan


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ({"images": 41}, "training images 40 -> 41"),
        ({"world": 2}, "devices 1 -> 2"),
        ({"other_changes": {"--reset-moments": "given"}}, "--reset-moments given"),
    ],
)
def test_changes_outside_of_the_schedule_branch(others: dict[str, Any], named: str) -> None:
    done = go_on(STUCK, **others)
    assert done.kind == "branch"
    assert named in done.reason


def test_a_branch_starts_an_interrupted_epoch_anew() -> None:
    middle = Position(86, LEDGER.plan.epoch_start(87) + 3, micro=12)
    assert resume(LEDGER, STUCK, middle, images=40).position == middle
    branched = resume(LEDGER, OPTION_1, middle, images=40)
    assert branched.position == Position(86, middle.step, 0)
    assert branched.lineage.plan.epoch_start(87) == middle.step


def test_a_branch_never_freezes_what_had_learned() -> None:
    plan = go_on(OPTION_1).lineage.plan  # STUCK had opened everything at epoch 31
    assert plan.learning(plan.first_step) == {HEAD, *(f"backbone.{i}" for i in range(4))}


def test_a_branch_keeps_the_thirds_of_the_whole_stage() -> None:
    gradual = replace(STUCK, progressive_unfreeze=True)
    lineage = Lineage((Segment(SegmentKind.START, 0, 0, 0, 0, gradual, 40),))
    plan = resume(lineage, OPTION_1, at(86, lineage), images=40).lineage.plan
    assert plan.learning(plan.epoch_start(90)) == {HEAD, "backbone.3", "backbone.2"}
    assert "backbone.0" in plan.learning(plan.epoch_start(91))


@pytest.mark.parametrize("epochs", [60, 86])
def test_epochs_not_beyond_the_checkpoint_are_refused(epochs: int) -> None:
    with pytest.raises(SettingsError, match=f"--epochs: got {epochs}, but .* 86 .* more than 86"):
        go_on(replace(STUCK, epochs=epochs))


def test_a_warmup_longer_than_the_rest_is_refused() -> None:
    with pytest.raises(SettingsError, match="--warmup-epochs"):
        go_on(replace(OPTION_1, epochs=88, warmup_epochs=3))


def test_what_a_race_answered_stays_answered_but_for_what_is_asked_anew() -> None:
    asked: dict[str, dict[str, Any]] = {
        "schedule": {"scheduler": "none", "min_lr": 1e-7},
        "optimise": {"clip_grad": 2.0},
    }
    lineage = Lineage((replace(LEDGER.last, asked=asked),))
    here = at(86, lineage)
    longer = resume(lineage, replace(STUCK, epochs=STUCK.epochs + 9), here, images=40)
    assert longer.kind == "extend"
    assert longer.lineage.last.asked == asked
    other = resume(lineage, replace(STUCK, min_lr=1e-6, accumulation_steps=2), here, images=40)
    assert other.lineage.last.asked == {
        "schedule": {"scheduler": "none"},
        "optimise": {"clip_grad": 2.0},
    }
    assert Lineage.from_plain(other.lineage.to_plain()) == other.lineage


@pytest.mark.parametrize(("epochs", "word"), [(120, "continue"), (150, "extend")])
def test_unfreezing_by_thirds_means_nothing_where_all_has_learned(epochs: int, word: str) -> None:
    went = go_on(replace(STUCK, epochs=epochs, progressive_unfreeze=True))
    assert went.kind == word
    assert went.lineage.plan.learning(went.position.step) == LEDGER.plan.learning(860)


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize(("first", "then"), [("resume", "stage"), ("stage", "resume")])
def test_where_a_constant_rate_counts_from_is_nothing_to_branch_for(
    first: str, then: str, warmup: int
) -> None:
    flags = replace(STUCK, stage2_lr=0.0001, warmup_epochs=warmup, schedule_origin=first)
    branched = go_on(flags).lineage
    other = replace(branched.last.schedule, schedule_origin=then)
    assert resume(branched, other, at(87, branched), images=40).kind == "continue"
    again = go_on(other).lineage.plan
    steps = range(860, again.end_step)
    assert [branched.plan.lr(k) for k in steps] == [again.lr(k) for k in steps]
