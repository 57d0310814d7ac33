"""How numbers, times and experts are written for people."""

import re

from decamo.errors import SettingsError
from decamo.settings.option import flag_of

__all__ = [
    "counted",
    "duration",
    "level_name",
    "seconds_of",
    "verb",
]


def counted(count: int, one: str, many: str = "") -> str:
    """So many of something: ``1 image``, ``0 images``.

    Args:
        count: how many.
        one: its name where it is one, such as ``image`` or ``file without a partner``.
        many: its name where it is not; ``one`` with an s where nothing is given.
    """
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def verb(count: int, one: str = "is", many: str = "are") -> str:
    """The form of a verb that agrees with a count."""
    return one if count == 1 else many


_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_FORM = re.compile(
    r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?"
)


def seconds_of(name: str, text: str) -> float:
    """``11h30m`` -> 41400.0; units d, h, m and s, each at most once, in this order.

    Raises:
        SettingsError: it is not of this form, or no time at all; names the flag ``name``.
    """
    match = _FORM.fullmatch(text.replace(" ", "").lower())
    parts = match.groups() if match else ()
    total = sum(
        float(p) * unit for p, unit in zip(parts, _UNITS.values(), strict=False) if p is not None
    )
    if total <= 0:
        raise SettingsError(flag_of(name), f"got {text!r}", "give a time such as 11h30m or 45m")
    return total


def duration(seconds: float) -> str:
    """``4210`` -> ``1h10m``; under a minute in seconds, under an hour in minutes."""
    if round(seconds) < 60:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}h{minutes % 60:02d}m" if minutes >= 60 else f"{minutes}m"


def level_name(index: int) -> str:
    """The pyramid level of that index, from 0: ``stride 4``, the finest, up to ``stride 32``."""
    return f"stride {4 * 2**index}"
