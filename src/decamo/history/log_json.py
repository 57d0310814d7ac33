"""Lines of JSON as other tools write them, one object an epoch or a step."""

import json
import math
from collections.abc import Iterator
from typing import Any

from decamo.history.log_names import column_meaning, is_epoch, is_step
from decamo.history.log_numbers import number_of
from decamo.history.sightings import Said, Sighting

__all__ = ["object_of", "sighting_of_object"]

_DEEPEST = 4


def object_of(line: str) -> dict[str, Any] | None:
    """The JSON object that a line is, if it is one."""
    line = line.strip()
    if not (line.startswith("{") and line.endswith("}")):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # ValueError: also a whole number of 5,000 digits
        return None
    return value if isinstance(value, dict) else None


def sighting_of_object(entry: dict[str, Any]) -> Sighting | None:
    """What an object says, whatever the depth of its values."""
    epoch: int | None = None
    said: list[Said] = []
    by_step = False
    for name, value in _leaves(entry, "", 0):
        if is_epoch(name):
            if math.isfinite(value) and value >= 0:
                epoch = math.ceil(value)
                by_step = by_step or epoch != value  # a part of an epoch
        elif is_step(name):
            by_step = True
        elif (meaning := column_meaning(name)) is not None:
            said.append(Said(meaning, value if math.isfinite(value) else math.nan))
    scored = any(one.meaning.name in ("iou", "dice", "mae") for one in said)
    return Sighting(epoch, tuple(said), running=by_step and not scored) if said else None


def _leaves(value: Any, name: str, depth: int) -> Iterator[tuple[str, float]]:
    """Numbers with the path of keys that leads to them; a list of one number counts as it."""
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name} {key}".strip(), depth + 1)
    elif isinstance(value, list) and len(value) == 1:
        yield from _leaves(value[0], name, _DEEPEST)
    elif isinstance(value, str):
        number = number_of(value)
        if number is not None:
            yield name, number
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, _float(value)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf
