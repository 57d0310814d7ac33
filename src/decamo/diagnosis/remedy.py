"""What can be done about a cause: a command, its cost, and what it may bring."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from decamo.diagnosis.command import Change, Order, pasteable
from decamo.diagnosis.run_state import RunState

__all__ = [
    "NO_FIGURE",
    "Claim",
    "Expectation",
    "Remedy",
    "claims_of",
    "expectation_of",
    "known_claims",
    "measured_of",
    "noted",
    "remedy_of",
]


@dataclass(frozen=True)
class Claim:
    """One measurement.

    Attributes:
        name: such as ``gain-conservative``.
        low: lower end of the 95 % interval of the IoU gained.
        high: upper end.
        setting: on what it was measured, for people.
        difference: the gain itself; None where only an interval is known.
        word: what it says of an expectation, such as ``does not hold``; empty where nothing.
    """

    name: str
    low: float
    high: float
    setting: str
    difference: float | None = None
    word: str = ""

    @property
    def sentence(self) -> str:
        """The measurement in words."""
        ends = f"{self.low:+.3f} to {self.high:+.3f}"
        gain = ends if self.difference is None else f"{self.difference:+.3f} ({ends})"
        verdict = f": {self.word}" if self.word else ""
        return f"measured {gain}, {self.setting}{verdict}"


@cache
def known_claims() -> Mapping[str, Claim]:
    """The claims that `benchmarks claims` measured for this version; they are in the package.

    None, where the file is missing or broken: gains are then told as expectations alone.
    """
    try:
        text = files("decamo.diagnosis").joinpath("claims.json").read_text(encoding="utf-8")
        return claims_of(text)
    except (OSError, ValueError):
        return {}


def claims_of(text: str) -> Mapping[str, Claim]:
    """Claims by name, from ``{"claims": [{"name", "low", "high", "setting"}, ...]}``.

    Each may have a ``difference`` and a ``word`` too. Entries of another form are passed over: a
    claim whose runs were lost has no interval.

    Raises:
        ValueError: it is not JSON.
    """
    plain: Any = json.loads(text)
    entries = plain.get("claims") if isinstance(plain, Mapping) else None
    found = [_claim(entry) for entry in entries] if isinstance(entries, list) else []
    return {claim.name: claim for claim in found if claim is not None}


def _claim(entry: Any) -> Claim | None:
    if not isinstance(entry, Mapping):
        return None
    name, setting = entry.get("name"), entry.get("setting")
    low, high = _number(entry.get("low")), _number(entry.get("high"))
    if not isinstance(name, str) or not isinstance(setting, str) or low is None or high is None:
        return None
    if low > high:
        return None
    word = entry.get("word")
    difference = _number(entry.get("difference"))
    return Claim(name, low, high, setting, difference, word if isinstance(word, str) else "")


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


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


@dataclass(frozen=True)
class Remedy:
    """What to do.

    Attributes:
        title: in a few words.
        origin: ``action plan`` or ``ours``: whose advice this is.
        words: the command as the shell splits it.
        command: the same to paste.
        changes: the flags that matter, each explained.
        blanks: words in the command that a person must fill in.
        steps: what to do beside it, one sentence each.
        memory: flags to add if memory runs out; empty where nothing can be saved.
        epochs: that the command trains; None where it does not train, or where its end is not
            known.
        hours: that they take on the machine of the run; None where not known.
        expected: what it may bring.
    """

    title: str
    origin: str
    words: tuple[str, ...]
    command: str
    changes: tuple[Change, ...]
    blanks: tuple[str, ...]
    steps: tuple[str, ...]
    memory: str
    epochs: int | None
    hours: float | None
    expected: Expectation


def remedy_of(
    title: str,
    order: Order,
    standing: RunState,
    expected: Expectation,
    *,
    ours: bool = False,
    steps: Sequence[str] = (),
) -> Remedy:
    """Put it together: the time is that of past epochs, scaled by pixels where the size changes."""
    schedule = order.schedule
    epochs = schedule.last_epoch - order.start if schedule else None
    hours = None
    if schedule and epochs and standing.seconds and "--backbone" not in _named(order):
        scale = (schedule.img_size / standing.img_size) ** 2 if standing.img_size else 1.0
        hours = standing.seconds * scale * epochs / 3600
    return Remedy(
        title=title,
        origin="ours" if ours else "action plan",
        words=order.words,
        command=pasteable(order.words),
        changes=order.changes,
        blanks=order.blanks,
        steps=tuple(steps),
        memory=_memory(order, standing),
        epochs=epochs,
        hours=hours,
        expected=expected,
    )


# Flags that may ask for more memory than the run did before.
_HUNGRY = {"--img-size", "--stage2-batch-size", "--deep-supervision", "--backbone", "--precision"}


def _named(order: Order) -> set[str]:
    return {f"--{c.name}" for c in order.changes}


def _memory(order: Order, standing: RunState) -> str:
    """One image at a time, the images of a step kept; then a smaller size."""
    if order.schedule is None or not _HUNGRY & set(order.words):
        return ""
    batch, groups = order.schedule.fine_tune_batch, order.schedule.accumulation_steps
    if standing.settings is None:
        smaller = 384 if order.schedule.img_size > 384 else 352
        return f"--stage2-batch-size 1 --accumulation-steps 8, then --img-size {smaller}"
    flags = []
    if batch > 1:
        flags.append(f"--stage2-batch-size 1 --accumulation-steps {batch * groups}")
    if standing.img_size and order.schedule.img_size > standing.img_size:
        flags.append(f"--img-size {standing.img_size}")
    if not flags and not standing.settings.model.gradient_checkpointing:
        flags.append("--gradient-checkpointing")
    return ", then ".join(flags)
