"""One place for a flag: the dataclass field that holds it."""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from decamo.errors import SettingsError

__all__ = ["Option", "at_least", "flag_of", "one_of", "option", "shown", "within"]


@dataclass(frozen=True)
class Option:
    """What the command line and the config file need to know of a field beyond its type.

    Attributes:
        help: one sentence for ``--help``.
        unit: physical or counting unit, such as ``px`` or ``epochs``; empty for none.
        choices: the values allowed; empty for any.
    """

    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()


def option(default: Any, help: str, *, unit: str = "", choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field that is also a flag; its name with dashes is the flag's name."""
    return field(default=default, metadata={"option": Option(help, unit, choices)})


def flag_of(name: str) -> str:
    """``stage2_lr`` -> ``--stage2-lr``."""
    return "--" + name.replace("_", "-")


def shown(value: object) -> str:
    """A value as a person would type it: ``0.00005``, never ``5e-05``; ``on`` and ``off``."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and math.isfinite(value):
        return f"{Decimal(repr(value)).normalize():f}"
    if isinstance(value, tuple):
        return " ".join(shown(one) for one in value)
    return str(value)


def within(name: str, value: float, low: float, high: float, remedy: str = "") -> None:
    """Refuse a number outside ``[low, high]`` (NaN is outside of everything)."""
    if not low <= value <= high:
        default = f"give a number from {shown(low)} to {shown(high)}"
        raise SettingsError(flag_of(name), f"got {shown(value)}", remedy or default)


def at_least(name: str, value: float, low: float, remedy: str = "") -> None:
    """Refuse a number under ``low`` (NaN and infinity too)."""
    if not (low <= value < float("inf")):
        raise SettingsError(
            flag_of(name),
            f"got {shown(value)}",
            remedy or f"give a number of at least {shown(low)}",
        )


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is not among ``choices``."""
    if value not in choices:
        raise SettingsError(flag_of(name), f"got {value!r}", f"choose from {', '.join(choices)}")
