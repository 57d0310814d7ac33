from dataclasses import replace

import pytest

from decamo.races.branch import CONTROL, TWIN, Branch, standard_branches
from decamo.recipes import RECIPES
from decamo.settings.plain import from_plain, merged, to_plain
from tests.races.build import start, turned_down


def named(**changes: object) -> dict[str, Branch]:
    return {b.name: b for b in standard_branches(start(**changes))}  # type: ignore[arg-type]


def test_the_control_comes_first_and_changes_nothing_but_seed_noise_has_a_twin() -> None:
    control, twin, *_ = standard_branches(start())
    assert (control.name, control.changes, control.before) == (CONTROL, {}, "")
    assert (twin.name, twin.changes) == (TWIN, {"run": {"seed": 1}})


def test_options_1_to_3_are_the_recipes_on_the_same_network_and_device() -> None:
    for name in ("conservative", "aggressive", "resolution"):
        changes = named()[name].changes
        assert changes.keys() == {"schedule", "optimise"}
        recipe = RECIPES[name]["schedule"]
        left_out = {"batch_size", "stage2_batch_size"}
        assert changes["schedule"] == {k: v for k, v in recipe.items() if k not in left_out}


def test_rates_are_shares_of_the_one_in_force() -> None:
    branches = named(scheduler="cosine", stage2_lr=0.001, min_lr=0.0)
    rate = start(scheduler="cosine", stage2_lr=0.001, min_lr=0.0).rate
    for name, factor in {"rate-x10": 10, "rate-x3": 3, "anneal": 1, "rate-tenth": 0.1}.items():
        schedule = branches[name].changes["schedule"]
        assert schedule["stage2_lr"] == pytest.approx(factor * rate, rel=1e-5)
        assert schedule["min_lr"] <= rate / 10
        assert not branches[name].keeps_rate


def test_the_rate_of_better_days_is_tried_where_ten_times_the_present_one_falls_short() -> None:
    assert "rate-before" not in named()
    days = start(40, scheduler="cosine", stage2_lr=0.001, min_lr=0.0, warmup_epochs=0)
    before = {b.name: b for b in standard_branches(turned_down(days, 0.00001))}["rate-before"]
    assert before.changes["schedule"]["stage2_lr"] == pytest.approx(0.001, rel=1e-5)
    near = {b.name for b in standard_branches(turned_down(days, 0.0001))}
    assert "rate-before" not in near


@pytest.mark.parametrize(("now", "larger"), [(64, 96), (352, 448), (384, 480), (32, 64)])
def test_larger_is_a_quarter_more_on_the_grid(now: int, larger: int) -> None:
    assert named(img_size=now)["larger"].changes == {"schedule": {"img_size": larger}}


def test_what_makes_no_sense_here_is_left_out() -> None:
    at = start()
    bare = {b.name for b in standard_branches(at)}
    assert "deep-supervision" in bare
    assert not bare & {"average", "batchnorm"}
    full = replace(at, snapshots=3, batchnorm=True)
    on = {"optimise": {"deep_supervision": True}}
    supervised = replace(full, settings=from_plain(merged(to_plain(full.settings), on)))
    more = {b.name for b in standard_branches(supervised)}
    assert more == bare - {"deep-supervision"} | {"average", "batchnorm"}


def test_a_probe_of_something_else_keeps_the_rate() -> None:
    branches = named()
    keep = {name for name, b in branches.items() if b.keeps_rate}
    assert keep == {
        CONTROL, TWIN, "larger", "moments", "batch-x2", "deep-supervision",
    }  # fmt: skip
