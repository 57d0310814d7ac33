from dataclasses import replace

import pytest

from decamo.errors import SettingsError
from decamo.races import standard_branches
from decamo.schedule import resume
from tests.races.build import start, turned_down


def test_the_rate_now_and_at_the_end_of_a_trial_are_the_plan_s_own() -> None:
    at = start(scheduler="cosine", stage2_lr=0.001, min_lr=0.0)
    plan = at.lineage.plan
    assert at.done == 86
    assert at.rate == plan.lr(at.position.step)
    assert at.rate_after(3) == plan.lr(plan.epoch_start(90) - 1) < at.rate


def test_after_the_end_of_the_plan_the_last_rate_holds() -> None:
    at = start(120, scheduler="cosine", stage2_lr=0.001, min_lr=0.00001)
    assert at.rate == at.rate_after(3) == pytest.approx(0.00001)


def test_the_highest_rate_so_far_is_that_of_an_open_backbone() -> None:
    at = start(40, scheduler="cosine", lr=0.05, stage2_lr=0.001, min_lr=0.0, warmup_epochs=0)
    assert at.highest == pytest.approx(0.001)  # and not stage 1's 0.05
    low = turned_down(at, 0.00001)
    assert low.rate == pytest.approx(0.00001)
    assert low.highest == pytest.approx(0.001)


def test_of_an_adopted_run_the_rates_that_were_logged_count() -> None:
    low = start(40, scheduler="none", stage2_lr=0.00001)
    assert replace(low, logged=0.0002).highest == pytest.approx(0.0002)
    names = {b.name: b for b in standard_branches(replace(low, logged=0.0002))}
    assert names["rate-before"].changes["schedule"]["stage2_lr"] == pytest.approx(0.0002)


def test_the_peak_is_that_of_the_schedule_in_force() -> None:
    at = start(40, scheduler="cosine", lr=0.05, stage2_lr=0.001, min_lr=0.0, warmup_epochs=0)
    assert at.peak == at.highest == pytest.approx(0.001)
    assert turned_down(at, 0.00001).peak == pytest.approx(0.00001)


def test_a_later_end_of_the_same_curve_keeps_its_peak() -> None:
    at = start(110, scheduler="cosine", stage2_lr=0.001, min_lr=0.0, warmup_epochs=0)
    wanted = replace(at.settings.schedule, epochs=300)
    went = resume(at.lineage, wanted, at.position, images=at.images)
    assert went.kind == "extend"
    assert replace(at, lineage=went.lineage).peak == pytest.approx(0.001)


def test_a_schedule_has_ended_with_its_last_step() -> None:
    assert not start(119).ended
    assert start(120).ended
    assert not turned_down(start(86), 0.00001).ended  # ten epochs later
    assert start(120).peak == start(120).rate


@pytest.mark.parametrize(("epoch", "goes"), [(86, True), (117, True), (118, False), (120, False)])
def test_the_own_plan_is_followed_while_it_lasts(epoch: int, goes: bool) -> None:
    assert start(epoch).continues(3) is goes


def test_a_frozen_backbone_is_refused_in_a_line() -> None:
    with pytest.raises(SettingsError, match="20 of 30 epochs of stage 1 are done"):
        start(20)
