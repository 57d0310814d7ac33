"""Measured gains, so that advice can quote a measurement where there is one."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Claim", "claims_of"]


@dataclass(frozen=True)
class Claim:
    """One measurement.

    Attributes:
        name: such as ``gain-conservative``.
        low: least IoU gained, such as an interval's lower end.
        high: most.
        setting: on what it was measured, for people.
    """

    name: str
    low: float
    high: float
    setting: str


def claims_of(text: str) -> Mapping[str, Claim]:
    """Claims by name, from ``{"claims": [{"name", "low", "high", "setting"}, ...]}``.

    Entries of another form are passed over: a file of claims may hold claims of other kinds.

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
    return Claim(name, low, high, setting) if low <= high else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
