"""What a remedy may bring: what the action plan expects, and what was measured, side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from decamo.diagnosis.claims import Claim
from decamo.diagnosis.command import Change

__all__ = ["NO_FIGURE", "Expectation", "expectation_of", "measured_of", "noted"]


@dataclass(frozen=True)
class Expectation:
    """A gain that is hoped for, and the measurement of it, where there is one.

    Attributes:
        low: least IoU that the action plan expects, or None where it gives no figure.
        high: most.
        claim: what was measured, or None.
        timeline: how long the plan says that it takes; empty where it does not.
    """

    low: float | None
    high: float | None
    claim: Claim | None = None
    timeline: str = ""

    @property
    def sentence(self) -> str:
        """Both figures, and whose they are."""
        if self.low is None or self.high is None:
            if self.claim is None:
                return "no figure: not in the action plan, not measured"
            return f"no figure in the action plan; {self.claim.sentence}"
        expected = f"expected by the action plan {self.low:+.2f} to {self.high:+.2f} IoU"
        measured = "not measured" if self.claim is None else self.claim.sentence
        parts = (expected, self.timeline, measured)
        return "; ".join(part for part in parts if part)


NO_FIGURE = Expectation(None, None)

# Name -> gain with the schedule alone, with deep supervision newly on, and the plan's time line.
_FIGURES: Mapping[str, tuple[tuple[float, float], tuple[float, float], str]] = {
    "conservative": ((0.04, 0.07), (0.07, 0.12), "20-30 epochs, 3-5 hours for its own run"),
    "aggressive": ((0.06, 0.09), (0.09, 0.14), "30-40 epochs, 5-7 hours for its own run"),
    "resolution": ((0.08, 0.13), (0.11, 0.18), "30-50 epochs, 6-10 hours for its own run"),
}


def expectation_of(
    name: str, deep_supervision_is_new: bool, claims: Mapping[str, Claim]
) -> Expectation:
    """What a recipe may bring.

    Its claim is ``gain-NAME``, or ``gain-NAME-schedule`` without deep supervision: what was
    measured must be what the command changes.

    Args:
        name: of the recipe.
        deep_supervision_is_new: whether the command switches it on, to which the plan gives
            +0.03 to +0.05 of its own.
        claims: measurements by name.
    """
    if name not in _FIGURES:
        return NO_FIGURE
    alone, joint, timeline = _FIGURES[name]
    low, high = joint if deep_supervision_is_new else alone
    claim = claims.get(f"gain-{name}" if deep_supervision_is_new else f"gain-{name}-schedule")
    return Expectation(low, high, claim, timeline)


def measured_of(name: str, claims: Mapping[str, Claim]) -> Expectation:
    """What a step that the action plan gives no figure for has brought, by its claim's name."""
    return Expectation(None, None, claims.get(name))


# Flag -> what was measured of it alone, all else alike.
_ALONE: Mapping[str, str] = {
    "deep_supervision": "gain-deep-supervision",
    "img_size": "gain-img-size",
    "warmup_epochs": "gain-warmup",
    "use_ema": "gain-use-ema",
    "reset_moments": "gain-reset-moments",
}


def noted(change: Change, claims: Mapping[str, Claim]) -> Change:
    """A flag with its own measurement behind its reason, where there is one."""
    claim = claims.get(_ALONE.get(change.name, ""))
    if claim is None:
        return change
    ends = f"{claim.low:+.3f} to {claim.high:+.3f}"
    gain = ends if claim.difference is None else f"{claim.difference:+.3f} ({ends})"
    return replace(change, why=f"{change.why}; measured alone: {gain} IoU")
