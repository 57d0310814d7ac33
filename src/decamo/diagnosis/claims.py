"""Measured gains, so that advice can quote a measurement beside an expectation."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["Claim", "claims_of", "known_claims"]


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
