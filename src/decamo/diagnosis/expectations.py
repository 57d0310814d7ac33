"""What a remedy may bring: as the action plan promises, or as a claim measured it."""

from collections.abc import Mapping
from dataclasses import dataclass

from decamo.diagnosis.claims import Claim

__all__ = ["NO_FIGURE", "Expectation", "expectation_of"]


@dataclass(frozen=True)
class Expectation:
    """A gain that is hoped for, or was measured.

    Attributes:
        low: least IoU gained, or None where nobody gave a figure.
        high: most.
        measured: whether a claim stands behind it; else it is what the action plan expects.
        source: whose figure it is, complete for people.
        timeline: how long the source says that it takes; empty where it does not.
    """

    low: float | None
    high: float | None
    measured: bool
    source: str
    timeline: str = ""


NO_FIGURE = Expectation(None, None, False, "no figure: not in the action plan, not measured")

_PLAN = "expected by the action plan, not measured"
# Name -> gain with the schedule alone, with deep supervision newly on, and the plan's time line.
_FIGURES: Mapping[str, tuple[tuple[float, float], tuple[float, float], str]] = {
    "conservative": ((0.04, 0.07), (0.07, 0.12), "20-30 epochs, 3-5 hours for its own run"),
    "aggressive": ((0.06, 0.09), (0.09, 0.14), "30-40 epochs, 5-7 hours for its own run"),
    "resolution": ((0.08, 0.13), (0.11, 0.18), "30-50 epochs, 6-10 hours for its own run"),
}


def expectation_of(
    name: str, deep_supervision_is_new: bool, claims: Mapping[str, Claim]
) -> Expectation:
    """What a recipe may bring; a measured claim ``gain-NAME`` comes before the plan's figure.

    Args:
        name: of the recipe.
        deep_supervision_is_new: whether the command switches it on, to which the plan gives
            +0.03 to +0.05 of its own.
        claims: measurements by name.
    """
    claim = claims.get(f"gain-{name}")
    if claim is not None:
        return Expectation(claim.low, claim.high, True, f"measured: {claim.setting}")
    if name not in _FIGURES:
        return NO_FIGURE
    alone, joint, timeline = _FIGURES[name]
    low, high = joint if deep_supervision_is_new else alone
    return Expectation(low, high, False, _PLAN, timeline)
