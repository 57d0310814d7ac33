"""What a user says with ``--mask-values``: read, compared, and made the rule of a set."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from decamo.data.mask_look import MaskLook
from decamo.data.mask_values import (
    SHADES,
    colour_distance,
    decide_meaning,
    filling_colours,
    in_colour,
)
from decamo.data.rules import MaskMeaning, Plane, Rest, label_codes
from decamo.errors import DataError, SettingsError
from decamo.storage.spilled import Picked

__all__ = [
    "given_meaning",
    "parse_given",
    "same_labels",
    "same_words",
    "shown_code",
]


def parse_given(words: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """``object=1,3-5``, ``void=255``, ``ground=#000000`` -> values by their role.

    Raises:
        SettingsError: something else was given.
    """
    roles: dict[str, tuple[int, ...]] = {}
    for word in words:
        role, _, text = word.partition("=")
        if role not in ("object", "ground", "void") or not text or role in roles:
            raise _not_understood(word)
        roles[role] = tuple(v for part in text.split(",") for v in _range(word, part))
    every = [v for values in roles.values() for v in values]
    if len(set(every)) < len(every):
        raise SettingsError("--mask-values", f"got {' '.join(words)}", "name each value once")
    return roles


def same_words(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists of words of ``--mask-values`` say the same, as 1-3 and 3,2,1 do.

    Words for one data set alone (``VOC:object=15``) are compared set by set.

    Raises:
        SettingsError: a word cannot be understood.
    """
    return _by_set(one) == _by_set(other)


def same_labels(looks: Iterable[MaskLook], one: MaskMeaning, other: MaskMeaning) -> bool:
    """Whether two meanings make the same of every pixel of some masks.

    Where only the pixels themselves can tell they are not taken to.
    """
    if one == other:
        return True
    for look in looks:
        first, second = _labels_of(look, one), _labels_of(look, other)
        if first is None or second is None or not np.array_equal(first, second):
            return False
    return True


def given_meaning(words: Sequence[str], looks: Sequence[MaskLook]) -> MaskMeaning:
    """What a user says the values mean, in the plane where the masks have theirs.

    Where only the object is named all else is ground, and the other way round; where both are, all
    else is void. Where edges are soft or a codec blurs, values between are what the nearest is.

    Raises:
        SettingsError: something else was given.
        DataError: no mask has any of the values of the object.
    """
    roles = parse_given(words)
    shown = Picked.where(looks, lambda look: not look.blank) or looks
    plane = Counter(look.plane for look in shown).most_common(1)[0][0] if shown else Plane.LEVELS
    if any("#" in word for word in words):
        plane = Plane.COLOUR
    elif plane is Plane.COLOUR:
        plane = Plane.LEVELS
    object_, ground, void = (roles.get(r, ()) for r in ("object", "ground", "void"))
    blurred = any(look.lossy or look.bins for look in shown)
    if blurred and plane is Plane.COLOUR:
        object_, ground = _all_colours(shown, object_, ground)
    elif blurred and object_ and not ground:
        top = max(look.top for look in shown)
        ground = (0,) if min(object_) > top // 2 else (top,)
    if not object_ and not ground:
        ground = decide_meaning(looks).ground or (0,)
    if blurred and not object_:
        top = max(look.top for look in shown)
        object_ = decide_meaning(looks).object or (top,)
        object_ = object_ if not set(object_) & {*ground, *void} else (top if 0 in ground else 0,)
    rest = Rest.VOID if object_ and ground else Rest.GROUND if object_ else Rest.OBJECT
    meaning = MaskMeaning(plane, object_, ground, void, Rest.NEAREST if blurred else rest)
    seen = {v.code for look in shown if look.plane is plane for v in look.values}
    if seen and object_ and not blurred and not seen & set(object_):
        values = ", ".join(shown_code(v, plane) for v in sorted(seen)[:12])
        raise DataError(
            "--mask-values", f"no mask has any of the object's values, but {values}", "name those"
        )
    return meaning


def _all_colours(
    looks: Sequence[MaskLook], object_: tuple[int, ...], ground: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Objects and grounds, where of blends one was left out: it has the other colours there are."""
    filled = Picked.each(looks, lambda look: _by_mains(in_colour(look)))
    colours = filling_colours(Picked.where(filled, lambda look: bool(look.values))).tolist()
    others = tuple(
        c for c in colours if all(colour_distance(c, said) > SHADES for said in (*object_, *ground))
    )
    return object_ or others, ground or others or (0,)


def _by_mains(look: MaskLook) -> MaskLook:
    return replace(look, values=look.mains or look.values)


def shown_code(code: int, plane: Plane) -> str:
    """A value as a person would give it to ``--mask-values``."""
    return f"#{code:06x}" if plane is Plane.COLOUR else str(code)


def _by_set(words: Sequence[str]) -> dict[str, dict[str, frozenset[int]]]:
    groups: dict[str, list[str]] = {}
    for word in words:
        name, _, own = word.rpartition(":")
        groups.setdefault(name, []).append(own)
    return {
        name: {role: frozenset(values) for role, values in parse_given(own).items()}
        for name, own in groups.items()
    }


def _labels_of(look: MaskLook, meaning: MaskMeaning) -> NDArray[np.uint8] | None:
    """The label of each of a mask's values; None where only its pixels can tell."""
    codes = np.array([v.code for v in look.values], dtype=np.int64)
    if meaning.plane is Plane.EACH and look.plane is Plane.LEVELS and not look.bins:
        ones = codes.max(initial=0) <= 1 and not look.lossy
        return np.asarray(codes > (0 if ones else look.top // 2)).astype(np.uint8)
    return None if look.shares(meaning) is None else label_codes(codes, meaning)


def _range(word: str, part: str) -> Iterable[int]:
    if match := re.fullmatch(r"#([0-9a-fA-F]{6})", part):
        return (int(match[1], 16),)
    if match := re.fullmatch(r"(-?\d+)(?:-(\d+))?", part):
        low, high = int(match[1]), int(match[2] or match[1])
        if low <= high <= 65535:
            return range(low, high + 1)
    raise _not_understood(word)


def _not_understood(word: str) -> SettingsError:
    return SettingsError(
        "--mask-values", f"got {word!r}", "give object=1 void=255, object=1-90 or object=#ff0000"
    )
