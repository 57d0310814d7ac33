import pytest

from decamo.diagnosis import Change, Claim
from decamo.diagnosis.remedy import NO_FIGURE, expectation_of, measured_of, noted
from decamo.diagnosis.run_state import OPTIONS

# The action plan: scheduler alone; with deep supervision (and, of option 3, resolution).
PLAN = {
    "conservative": ((0.04, 0.07), (0.07, 0.12)),
    "aggressive": ((0.06, 0.09), (0.09, 0.14)),
    "resolution": ((0.08, 0.13), (0.11, 0.18)),
}
WHERE = "3 seeds, 202 images, mobilenetv2_100 at 128 px"


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("new", [False, True])
def test_the_action_plans_figures_are_marked_as_such(name: str, new: bool) -> None:
    found = expectation_of(name, new, {})
    assert (found.low, found.high) == PLAN[name][new]
    assert found.claim is None
    assert found.sentence.startswith("expected by the action plan +")
    assert found.sentence.endswith("not measured")


def test_both_figures_are_told() -> None:
    claim = Claim("gain-conservative", 0.004, 0.02, WHERE, 0.012, "does not hold")
    found = expectation_of("conservative", True, {claim.name: claim})
    assert (found.low, found.high, found.claim) == (0.07, 0.12, claim)
    assert found.sentence == (
        "expected by the action plan +0.07 to +0.12 IoU; 20-30 epochs, 3-5 hours for its own run;"
        f" measured +0.012 (+0.004 to +0.020), {WHERE}: does not hold"
    )
    assert expectation_of("aggressive", True, {claim.name: claim}).claim is None


def test_a_command_is_held_against_what_it_changes() -> None:
    joint = Claim("gain-aggressive", -0.01, 0.02, WHERE)
    alone = Claim("gain-aggressive-schedule", -0.02, 0.01, WHERE)
    claims = {c.name: c for c in (joint, alone)}
    assert expectation_of("aggressive", True, claims).claim is joint
    assert expectation_of("aggressive", False, claims).claim is alone


def test_without_a_figure_none_is_made_up() -> None:
    assert expectation_of("", True, {}) is NO_FIGURE
    assert NO_FIGURE.low is None
    assert NO_FIGURE.sentence == "no figure: not in the action plan, not measured"


def test_a_measurement_stands_alone_where_the_plan_is_silent() -> None:
    claim = Claim("gain-nothing", -0.01, 0.01, WHERE, 0.001, "not told apart from 0")
    found = measured_of("gain-nothing", {claim.name: claim})
    assert found.sentence == (
        f"no figure in the action plan; measured +0.001 (-0.010 to +0.010), {WHERE}: not told apart"
        " from 0"
    )
    assert measured_of("gain-nothing", {}) == NO_FIGURE


def test_a_flag_is_told_with_its_own_measurement() -> None:
    claims = {"gain-reset-moments": Claim("gain-reset-moments", -0.002, 0.004, WHERE, 0.001)}
    flag = Change("reset_moments", True, "forgets")
    assert noted(flag, claims).why == "forgets; measured alone: +0.001 (-0.002 to +0.004) IoU"
    assert noted(flag, {}) == flag
    assert noted(Change("epochs", 120, "more"), claims).why == "more"
