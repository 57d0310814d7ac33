from benchmarks.claims_arms import arms
from benchmarks.claims_promises import BEFORE_TRIAL, PROMISES
from decamo.races import CONTROL

# As printed in the action plan.
PRINTED = {
    "gain-conservative-schedule": (0.04, 0.07),
    "gain-aggressive-schedule": (0.06, 0.09),
    "gain-deep-supervision": (0.03, 0.05),
    "gain-img-size": (0.02, 0.04),
    "gain-conservative": (0.07, 0.12),
    "gain-aggressive": (0.09, 0.14),
    "gain-resolution": (0.11, 0.18),
}


def test_every_expectation_of_the_plan_is_measured() -> None:
    expected = {p.name: p.expected for p in PROMISES}
    assert {name: expected[name] for name in PRINTED} == PRINTED


def test_each_is_a_difference_of_branches_that_there_are() -> None:
    names = {arm.name for arm in arms(128, 1)}
    assert len({p.name for p in PROMISES}) == len(PROMISES)
    for promise in PROMISES:
        assert promise.arm in names
        assert promise.against in names - {promise.arm} | {BEFORE_TRIAL}
    assert {p.arm for p in PROMISES} | {CONTROL} == names
