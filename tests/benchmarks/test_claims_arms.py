from benchmarks.claims_arms import arms, next_size
from decamo.races import CONTROL, Branch
from decamo.races.successive_halving import trial_settings
from tests.races.build import start

ARMS = {arm.name: arm for arm in arms(384, 4)}


def differing(one: Branch, other: Branch) -> set[str]:
    """Options in which two branches differ."""
    flat = [
        {key: value for values in arm.changes.values() for key, value in values.items()}
        for arm in (one, other)
    ]
    return {k for k in flat[0] | flat[1] if flat[0].get(k) != flat[1].get(k)}


def test_the_control_comes_first_and_changes_nothing() -> None:
    first = arms(128, 1)[0]
    assert (first.name, first.changes, first.before) == (CONTROL, {}, "")


def test_rates_are_those_of_the_action_plan() -> None:
    assert ARMS["cosine"].changes["schedule"] == {
        "stage2_lr": 0.0002, "scheduler": "cosine", "min_lr": 0.00001, "warmup_epochs": 0,
    }  # fmt: skip
    for name in ("aggressive", "warm", "warm-ds", "resolution"):
        schedule = ARMS[name].changes["schedule"]
        assert (schedule["stage2_lr"], schedule["min_lr"]) == (0.0003, 0.00002)
    assert ARMS["resolution"].changes["schedule"]["img_size"] == 416
    assert ARMS["resolution"].changes["schedule"]["warmup_epochs"] == 3
    assert ARMS["accumulation"].changes == {"schedule": {"accumulation_steps": 8}}
    assert ARMS["moments"].before == "forget moments"


def test_partners_differ_in_what_is_measured_alone() -> None:
    for name in ("cosine", "aggressive", "warm"):
        assert differing(ARMS[f"{name}-ds"], ARMS[name]) == {"deep_supervision"}
    assert differing(ARMS["resolution"], ARMS["warm-ds"]) == {"img_size"}
    assert differing(ARMS["warm"], ARMS["aggressive"]) == {"warmup_epochs", "epochs"}


def test_an_arm_without_a_curve_keeps_the_stalled_runs_rate() -> None:
    at = start()
    for name in (CONTROL, "larger", "ema", "accumulation", "moments", "average"):
        assert trial_settings(ARMS[name], at, 4).schedule.stage2_lr == at.rate
    assert trial_settings(ARMS["warm"], at, 4).schedule.warmup_epochs == 1


def test_the_next_size_is_the_next_multiple_of_32() -> None:
    assert [next_size(size) for size in (128, 384, 32)] == [160, 416, 64]
