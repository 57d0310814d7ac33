"""Branches that a user wrote down in a TOML file."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from decamo.errors import SettingsError
from decamo.races.branch import BEFORE, CONTROL, TWIN, Branch
from decamo.settings import flag_of
from decamo.settings.plain import SECTIONS, kinds, section_of
from decamo.system import file_name
from decamo.training.choosing import read_config

__all__ = ["branches_of", "only"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_TAKEN = re.compile(rf"{CONTROL}|{TWIN}|race|outcome|epoch-\d+")  # by what lies there already
_MAY_DIFFER = ("schedule", "optimise")  # on the same data and network
_OWN = ("before", "asks")


def branches_of(path: Path) -> tuple[Branch, ...]:
    """The branches of a file such as::

        [branch.high]
        asks = "is 0.0004 enough?"
        stage2_lr = 0.0004
        scheduler = "cosine"

        [branch.fresh]
        before = "forget moments"
        schedule = { warmup_epochs = 1 }

    Options have the names of ``config.toml``, flat or by section; of ``schedule`` and ``optimise``
    only, because a race compares on the same data and network.

    Raises:
        SettingsError: the file cannot be read, or a line of it cannot be meant.
    """
    whole = read_config(path)
    tables = whole.get("branch")
    if not isinstance(tables, Mapping) or not tables or len(whole) > 1:
        other = next((key for key in whole if key != "branch"), "no [branch.NAME]")
        raise SettingsError(path, f"it holds {other}", "write each branch as [branch.NAME]")
    return tuple(_branch(name, table) for name, table in tables.items())


def only(branches: Sequence[Branch], names: Sequence[str]) -> tuple[Branch, ...]:
    """The branches named, beside the control and its twin, in their own order.

    Raises:
        SettingsError: there is no branch of a name.
    """
    known = [b.name for b in branches]
    if unknown := [n for n in names if n not in known]:
        raise SettingsError("--only", f"got {unknown[0]!r}", _nearest(unknown[0], known))
    return tuple(b for b in branches if b.name in (CONTROL, TWIN, *names))


def _branch(name: str, table: Any) -> Branch:
    where = f"[branch.{name}]"
    if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name) or file_name(name) != name:
        remedy = f"use small letters, digits, - and _, and not {CONTROL} or {TWIN}"
        raise SettingsError(where, "it names a folder", remedy)
    if not isinstance(table, Mapping):
        raise SettingsError(where, f"got {table!r}", "give options, each on its line")
    before = table.get("before", "")
    if before not in BEFORE:
        known = ", ".join(repr(b) for b in BEFORE[1:])
        raise SettingsError(f"{where} before", f"got {before!r}", f"choose from {known}")
    changes: dict[str, dict[str, Any]] = {}
    for section, key, value in _options(table):
        changes.setdefault(section, {})[key] = _checked(where, section, key, value)
    if not changes and not before:
        raise SettingsError(where, "it changes nothing", "give an option; the control is there")
    words = [f"{flag_of(k)} {v}" for values in changes.values() for k, v in values.items()]
    asks = table.get("asks") or ", ".join([before, *words] if before else words)
    return Branch(name, str(asks), changes, before)


def _options(table: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """(section, or empty where it is not said; key; value)."""
    found: list[tuple[str, str, Any]] = []
    for key, value in table.items():
        if key in _OWN:
            continue
        if isinstance(value, Mapping):
            found += [(key, inner, v) for inner, v in value.items()]
        else:
            found.append((_home(key), key, value))
    return found


def _home(key: str) -> str:
    try:
        return section_of(key)
    except KeyError:
        return ""


def _checked(where: str, section: str, key: str, value: Any) -> Any:
    known = [k for s in _MAY_DIFFER for k in kinds(SECTIONS[s])]
    if section in SECTIONS and section not in _MAY_DIFFER and key in kinds(SECTIONS[section]):
        got = f"{key} is of [{section}]"
        remedy = "leave it out: branches are compared on the same data and network"
        raise SettingsError(where, got, remedy)
    if section not in _MAY_DIFFER or key not in kinds(SECTIONS[section]):
        raise SettingsError(where, f"no such option as {key}", _nearest(key, known))
    try:
        return kinds(SECTIONS[section])[key].convert(key, value)
    except SettingsError as error:
        raise SettingsError(f"{where} {key}", error.got, error.remedy) from error


def _nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(known)}"
