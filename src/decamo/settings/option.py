"""One place for a flag: the dataclass field that holds it."""

from dataclasses import dataclass, field
from typing import Any

from decamo.errors import SettingsError

__all__ = ["Option", "at_least", "flag_of", "one_of", "option", "within"]


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


def within(name: str, value: float, low: float, high: float, remedy: str = "") -> None:
    """Refuse a number outside ``[low, high]`` (NaN is outside of everything)."""
    if not low <= value <= high:
        default = f"give a number from {_shown(low)} to {_shown(high)}"
        raise SettingsError(flag_of(name), f"got {_shown(value)}", remedy or default)


def at_least(name: str, value: float, low: float, remedy: str = "") -> None:
    """Refuse a number under ``low`` (NaN and infinity too)."""
    if not (low <= value < float("inf")):
        raise SettingsError(
            flag_of(name),
            f"got {_shown(value)}",
            remedy or f"give a number of at least {_shown(low)}",
        )


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is not among ``choices``."""
    if value not in choices:
        raise SettingsError(flag_of(name), f"got {value!r}", f"choose from {', '.join(choices)}")
