import pytest

from decamo.diagnosis import Claim
from decamo.diagnosis.expectations import NO_FIGURE, expectation_of
from decamo.diagnosis.standing import OPTIONS

# The action plan: scheduler alone; with deep supervision (and, of option 3, resolution).
PLAN = {
    "conservative": ((0.04, 0.07), (0.07, 0.12)),
    "aggressive": ((0.06, 0.09), (0.09, 0.14)),
    "resolution": ((0.08, 0.13), (0.11, 0.18)),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("new", [False, True])
def test_the_action_plans_figures_are_marked_as_such(name: str, new: bool) -> None:
    found = expectation_of(name, new, {})
    assert (found.low, found.high) == PLAN[name][new]
    assert found.source == "expected by the action plan, not measured"
    assert not found.measured


def test_a_measurement_comes_first() -> None:
    claims = {"gain-aggressive": Claim("gain-aggressive", -0.01, 0.02, "5 seeds, CAMO")}
    found = expectation_of("aggressive", True, claims)
    assert found.measured
    assert (found.low, found.high, found.source) == (-0.01, 0.02, "measured: 5 seeds, CAMO")
    assert not expectation_of("conservative", True, claims).measured


def test_without_a_figure_none_is_made_up() -> None:
    assert expectation_of("", True, {}) is NO_FIGURE
    assert NO_FIGURE.low is None
