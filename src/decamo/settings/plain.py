"""Settings as plain values and back: for config files, checkpoints and the command line."""

import difflib
import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from decamo.errors import SettingsError
from decamo.settings.option import flag_of
from decamo.settings.sections import TrainSettings

__all__ = [
    "SECTIONS",
    "OptionType",
    "by_section",
    "from_plain",
    "kinds",
    "merged",
    "section_of",
    "to_plain",
]


class OptionType:
    """The type of an option: how many values, of which type, and whether it may be left out."""

    def __init__(self, annotation: Any) -> None:
        self.optional = get_origin(annotation) in (Union, types.UnionType)
        if self.optional:
            annotation = next(a for a in get_args(annotation) if a is not type(None))
        self.many = get_origin(annotation) is tuple
        arguments = get_args(annotation)
        self.base: type = arguments[0] if self.many else annotation
        self.count = len(arguments) if self.many and arguments[-1] is not Ellipsis else 0

    def convert(self, name: str, value: Any) -> Any:
        """A plain value as this type.

        Raises:
            SettingsError: it cannot be one.
        """
        if value is None and self.optional:
            return None
        if not self.many:
            return self._one(name, value)
        values = value if isinstance(value, list | tuple) else [value]
        if self.count and len(values) != self.count:
            raise SettingsError(flag_of(name), f"got {len(values)} values", f"give {self.count}")
        return tuple(self._one(name, v) for v in values)

    def _one(self, name: str, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            with suppress(OverflowError, ValueError):  # int() of inf or NaN, float() of 10**400
                if self.base is float or (self.base is int and value == int(value)):
                    return self.base(value)
        if self.base in (Path, str) and isinstance(value, str | Path):
            return self.base(value)
        if self.base is bool and isinstance(value, bool):
            return value
        raise SettingsError(flag_of(name), f"got {value!r}", f"give a {_word(self.base)}")


def _word(base: type) -> str:
    words = {int: "whole number", float: "number", bool: "true or false", Path: "path", str: "word"}
    return words[base]


def kinds(section: type) -> dict[str, OptionType]:
    """Option name -> its kind, for one settings dataclass."""
    return {name: OptionType(hint) for name, hint in get_type_hints(section).items()}


SECTIONS: dict[str, type] = {
    name: hint for name, hint in get_type_hints(TrainSettings).items() if isinstance(hint, type)
}
_SECTION_OF = {f.name: section for section, cls in SECTIONS.items() for f in fields(cls)}


def section_of(name: str) -> str:
    """The section that an option belongs to, such as ``schedule`` for ``min_lr``."""
    return _SECTION_OF[name]


def by_section(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Options by their names alone, put under their sections.

    Raises:
        SettingsError: a name that is no option's.
    """
    given: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        if name not in _SECTION_OF:
            raise SettingsError(name, "no such option", _nearest(name, _SECTION_OF))
        given.setdefault(_SECTION_OF[name], {})[name] = value
    return given


def to_plain(settings: TrainSettings) -> dict[str, dict[str, Any]]:
    """Settings as nested dicts of strings, numbers, booleans, lists and None."""
    return {
        section: {name: _plain(value) for name, value in vars(getattr(settings, section)).items()}
        for section in SECTIONS
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value


def from_plain(plain: Mapping[str, Mapping[str, Any]]) -> TrainSettings:
    """Settings from nested plain values; what is left out has its default.

    Raises:
        SettingsError: an unknown section or key, a value of another type, or settings that
            contradict each other.
    """
    parts = {}
    for section, values in plain.items():
        if section not in SECTIONS:
            raise SettingsError(f"[{section}]", "no such section", _nearest(section, SECTIONS))
        known = kinds(SECTIONS[section])
        for name in values:
            if name not in known:
                raise SettingsError(f"{section}.{name}", "no such key", _nearest(name, known))
        converted = {name: known[name].convert(name, value) for name, value in values.items()}
        parts[section] = SECTIONS[section](**converted)
    return TrainSettings(**parts)


def merged(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Nested plain values, the later layer winning key by key."""
    result: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, values in layer.items():
            if not isinstance(values, Mapping):
                raise SettingsError(
                    section,
                    f"got {values!r} outside of a section",
                    f"put it under {_home(section)}",
                )
            result.setdefault(section, {}).update(values)
    return result


def _home(name: str) -> str:
    return f"[{_SECTION_OF[name]}]" if name in _SECTION_OF else f"one of {', '.join(SECTIONS)}"


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, list(known), n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known)}"
