"""Formats of checkpoints: what an earlier decamo wrote is read for ever.

A change of what a checkpoint holds makes a new format: raise :data:`FORMAT` by one and add the
pure function that makes the new plain dict out of the old one. Files themselves are never
rewritten.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from decamo.errors import CheckpointForeign

__all__ = ["FORMAT", "UPGRADES", "Upgrade", "upgraded"]

Upgrade = Callable[[Mapping[str, Any]], dict[str, Any]]

FORMAT = 3


def _with_files_read(state: Mapping[str, Any]) -> dict[str, Any]:
    """1 -> 2: ``--cache`` came; before it the files were read each time, which is ``off``."""
    settings = state.get("settings")
    if not isinstance(settings, Mapping) or not isinstance(settings.get("data", {}), Mapping):
        return dict(state)  # whoever looks through the file will say so
    data = {"cache": "off", **settings.get("data", {})}
    return {**state, "settings": {**settings, "data": data}}


def _without_images(state: Mapping[str, Any]) -> dict[str, Any]:
    """2 -> 3: the run's images came, and how they are read; before it a print of names was all."""
    return {"images": None, "rules": {}, **state}


UPGRADES: dict[int, Upgrade] = {1: _with_files_read, 2: _without_images}
"""Format n -> the function that makes format n + 1 of it, for every n below :data:`FORMAT`."""


def upgraded(
    path: Path,
    state: Mapping[str, Any],
    upgrades: Mapping[int, Upgrade] = UPGRADES,
    to: int = FORMAT,
) -> dict[str, Any]:
    """A state of any known format as one of format ``to``; the argument stays as it is.

    Args:
        path: where it was read, for the error.
        state: plain values with their ``format``.
        upgrades: format n -> the step to n + 1.
        to: the format wanted.

    Raises:
        CheckpointForeign: a format of a later decamo, or none that ever was.
    """
    found = state.get("format")
    if type(found) is not int or found < 1:
        raise CheckpointForeign(path, "it names no format", "use a checkpoint that decamo wrote")
    if found > to:
        raise CheckpointForeign(path, f"format {found}", "update decamo to read it")
    current = dict(state)
    for number in range(found, to):
        current = upgrades[number](current) | {"format": number + 1}
    return current
