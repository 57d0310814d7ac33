from dataclasses import replace

import pytest

from decamo.errors import SettingsError
from decamo.races.branch import CONTROL, Branch, standard_branches
from decamo.races.successive_halving import full_settings, lineage_of, trial_settings
from decamo.schedule import Position
from tests.races.build import start

CONTROLS = Branch(CONTROL, "")


def test_the_control_goes_on_under_its_own_plan() -> None:
    at = start(scheduler="cosine", stage2_lr=0.001, min_lr=0.0)
    settings = trial_settings(CONTROLS, at, 3)
    assert settings == at.settings
    lineage = lineage_of(CONTROLS, settings, at, "a race")
    assert lineage.plan == at.lineage.plan
    assert (lineage.last.kind, lineage.last.at_epoch, lineage.last.reason) == (
        "branch",
        86,
        "a race",
    )


@pytest.mark.parametrize("name", ["rate-x10", "rate-x3", "anneal", "conservative", "resolution"])
def test_a_curve_ends_with_the_trial_and_begins_at_its_own_height(name: str) -> None:
    at = start()
    branch = next(b for b in standard_branches(at) if b.name == name)
    settings = trial_settings(branch, at, 3)
    plan = lineage_of(branch, settings, at, "").plan
    assert (plan.first_epoch, plan.last_epoch) == (87, 89)
    peak = max(plan.lr(s) for s in range(plan.first_step, plan.end_step))
    assert peak == pytest.approx(branch.changes["schedule"]["stage2_lr"])
    assert plan.lr(plan.end_step - 1) == pytest.approx(branch.changes["schedule"]["min_lr"])


def test_a_probe_of_something_else_goes_at_the_plan_s_own_rates() -> None:
    at = start(scheduler="cosine", stage2_lr=0.001, min_lr=0.0)
    branch = Branch("batch", "", {"schedule": {"accumulation_steps": 2}})
    plan = lineage_of(branch, trial_settings(branch, at, 3), at, "").plan
    own = at.lineage.plan
    assert plan.lr(plan.first_step) == pytest.approx(at.rate)
    assert plan.lr(plan.end_step - 1) == pytest.approx(at.rate_after(3))
    for epoch in (87, 88, 89):  # a cosine between the same ends is nearly the piece of the long one
        assert plan.lr(plan.epoch_start(epoch)) == pytest.approx(
            own.lr(own.epoch_start(epoch)), rel=0.05
        )
    assert plan.stages[0].steps_per_epoch * 2 == own.stage_of_epoch(87).steps_per_epoch


def test_over_the_whole_way_it_begins_at_the_rate_in_force_and_never_jumps_up() -> None:
    at = start(scheduler="cosine", stage2_lr=0.001, min_lr=0.0)
    branch = Branch("deep", "", {"optimise": {"deep_supervision": True}})
    plan = lineage_of(branch, full_settings(branch, at), at, "").plan
    assert plan.last_epoch == 120
    assert plan.lr(plan.first_step) == pytest.approx(at.rate)


@pytest.mark.parametrize("epoch", [118, 120])
def test_a_run_at_its_end_holds_its_last_rate_as_control(epoch: int) -> None:
    at = start(epoch, scheduler="none", stage2_lr=0.0003)
    plan = lineage_of(CONTROLS, trial_settings(CONTROLS, at, 4), at, "").plan
    assert plan.last_epoch == epoch + 4
    assert {plan.lr(s) for s in range(plan.first_step, plan.end_step)} == {0.0003}


def test_in_the_middle_of_an_epoch_all_begin_it_anew() -> None:
    at = start()
    middle = replace(at, position=Position(86, at.position.step + 2, 2))
    for branch in standard_branches(middle):
        plan = lineage_of(branch, trial_settings(branch, middle, 3), middle, "").plan
        assert plan.first_step == middle.position.step
        assert (plan.first_epoch, plan.last_epoch) == (87, 89)


def test_a_plan_that_is_over_goes_on_as_far_as_option_1() -> None:
    at = start(120)
    branch = Branch("x", "", {"schedule": {"stage2_lr": 0.0002}})
    assert full_settings(branch, at).schedule.epochs == 154


def test_a_warm_up_takes_a_third_of_a_trial_at_most() -> None:
    at = start()
    branch = next(b for b in standard_branches(at) if b.name == "resolution")
    assert full_settings(branch, at).schedule.warmup_epochs == 3
    assert [trial_settings(branch, at, n).schedule.warmup_epochs for n in (1, 3, 30)] == [0, 1, 3]


def test_a_curve_joined_midway_is_judged_from_where_it_joins() -> None:
    at = start()
    joined = {"stage2_lr": 0.001, "scheduler": "cosine", "schedule_origin": "stage"}
    branch = Branch("joined", "", {"schedule": joined})
    whole = lineage_of(branch, full_settings(branch, at), at, "").plan
    trial = lineage_of(branch, trial_settings(branch, at, 3), at, "").plan
    assert trial.lr(trial.first_step) == pytest.approx(whole.lr(whole.first_step)) != 0.001


def test_a_contradiction_names_the_branch() -> None:
    branch = Branch("odd", "", {"schedule": {"stage2_lr": 0.000001, "scheduler": "cosine"}})
    with pytest.raises(SettingsError, match=r"^\[branch.odd\] --min-lr: got"):
        trial_settings(branch, start(), 3)
