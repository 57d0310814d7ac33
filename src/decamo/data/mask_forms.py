"""What one mask looks like by itself, and whether a meaning suits it.

Forms are what :mod:`~decamo.data.mask_values` decides by for the whole set.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np

from decamo.data.mask_look import MaskLook
from decamo.data.rules import MaskMeaning, Plane, Rest, label_codes

__all__ = [
    "MaskForm",
    "brightness",
    "counts_as_empty",
    "form_of",
    "inverted_masks",
    "object_level",
    "seems_a_photograph",
    "seems_inverted",
    "seems_swapped",
]

_MOST = 0.8
_STRAYS = 0.001  # share of the pixels that a slip of the pen may have
_SOFT = 3.0  # px: levels of an edge have shorter runs, in both directions or in one
_PEAK = 0.05  # share of the lit pixels that a codec's ringing, or a slip, may brighten further
_WHITISH = 0.62  # of the full scale: an object this bright is cut at the half as well as any
_EDGE = 8  # levels that an edge has at least, where the object is not white


class MaskForm(StrEnum):
    """What one mask looks like by itself."""

    BLANK = "one value"
    ONES = "0/1"
    FULL = "0/255"
    LEVEL = "0 and one other value"
    SOFT = "soft edges"
    FAINT = "soft edges, none white"
    LABELS = "labels"
    COLOURS = "colours"


def form_of(look: MaskLook) -> MaskForm:
    """What a mask looks like by itself."""
    if look.blank:
        return MaskForm.BLANK
    if look.plane in (Plane.COLOUR, Plane.INDEX):
        return MaskForm.COLOURS
    if look.bins:
        return _form_of_many(look)
    codes = sorted(look.codes)
    if codes in ([0, 1], [0, look.top]):
        return MaskForm.ONES if codes[1] == 1 else MaskForm.FULL
    if len(codes) == 2 and codes[0] == 0:
        return MaskForm.LEVEL
    if look.lossy or _is_soft(look):
        return MaskForm.SOFT if codes[-1] >= _WHITISH * look.top else MaskForm.FAINT
    return MaskForm.FAINT if _is_edge(look) else MaskForm.LABELS


def seems_swapped(looks: Iterable[MaskLook], meaning: MaskMeaning) -> bool:
    """Whether object and ground rather are the other way round.

    The object then touches all four edges and covers over half of nearly every image.
    """
    return _nearly_all([seems_inverted(look, meaning) for look in looks])


def inverted_masks(looks: Iterable[MaskLook], meaning: MaskMeaning) -> list[int]:
    """Places of the masks that seem inverted; none where nearly all do (:func:`seems_swapped`)."""
    inverted = [seems_inverted(look, meaning) for look in looks]
    return [] if _nearly_all(inverted) else [n for n, one in enumerate(inverted) if one]


def _nearly_all(inverted: Sequence[bool]) -> bool:
    return len(inverted) > 1 and sum(inverted) >= _MOST * len(inverted)


def counts_as_empty(look: MaskLook, meaning: MaskMeaning) -> bool:
    """Whether a mask is not black and yet has no pixel of the object, void ones apart.

    Where only the pixels themselves can tell it does not.
    """
    if not look.bins and not any(look.codes):
        return False
    if meaning.plane is not Plane.EACH:
        if (shares := look.shares(meaning)) is not None:
            return shares == (0, 0) and look.codes != set(meaning.ground)
        blurred = look.bins and (meaning.plane, meaning.rest) == (Plane.LEVELS, Rest.NEAREST)
        cut = (max(meaning.object) + max(meaning.ground) + 1) // 2 if blurred else 0
        return bool(blurred) and _peak_of(look) < cut
    if look.bins or look.plane is Plane.LEVELS:
        return _peak_of(look) < (look.top + 1) // 2 and (look.lossy or _peak_of(look) > 1)
    if look.plane is Plane.COLOUR:
        return all(_luminance(code) < 128 for code in look.codes)
    if look.plane is Plane.INDEX:
        levels = [brightness(v.colour) if v.colour >= 0 else v.code for v in look.values]
        return 1 < max(levels) < 128
    return False


def seems_a_photograph(look: MaskLook) -> bool:
    """Whether most pixels of a mask have neither of the two levels that most of them have."""
    return bool(look.bins) and 2 * sum(sorted(look.bins)[-2:]) < look.total


def brightness(colour: int) -> int:
    """The greatest channel of a packed colour."""
    return max(colour >> shift & 255 for shift in (16, 8, 0))


def _is_soft(look: MaskLook) -> bool:
    """Whether all but two of a few levels are but an edge, or a slip of the pen."""
    high, low = max(look.codes), min(look.codes)
    between = [v for v in look.values if v.code not in (low, high)]
    pixels = sum(v.count for v in between)
    white = next(v.count for v in look.values if v.code == high)
    if high < 0.9 * look.top:
        return False
    if pixels <= min(_STRAYS * look.total, 0.05 * white):
        return True
    eighth = look.top // 8  # levels near both ends are what a codec leaves of black and white
    if min(sum(v.code < eighth for v in between), sum(v.code > high - eighth for v in between)) > 2:
        return True
    above = any(v.code > look.top // 2 for v in between)
    thick = sum(v.count * v.thickness for v in between) / pixels
    return above and len(between) > 1 and thick < _SOFT


def _is_edge(look: MaskLook) -> bool:
    """Whether all but two of many levels are thin, whatever the highest."""
    ends = (min(look.codes), max(look.codes))
    between = [v for v in look.values if v.code not in ends]
    pixels = sum(v.count for v in between)
    return len(between) >= _EDGE and sum(v.count * v.thickness for v in between) < _SOFT * pixels


def _form_of_many(look: MaskLook) -> MaskForm:
    ends = look.bins[0] + look.bins[-1]
    wide = look.top > 255  # of 8 bits, more values than labels ever are in one image: a soft mask
    if wide and not look.lossy and look.thickness > _SOFT and ends < _MOST * look.total:
        return MaskForm.LABELS
    return MaskForm.SOFT if object_level(look) >= _WHITISH * look.top else MaskForm.FAINT


def object_level(look: MaskLook) -> int:
    """The level of the object in a mask with soft edges: what a twentieth of the rest exceeds."""
    if look.values:
        return max(look.codes)
    width = (look.top + 1) // len(look.bins)
    lit, above = sum(look.bins[1:]), 0
    for i in range(len(look.bins) - 1, 0, -1):
        above += look.bins[i]
        if above > _PEAK * lit:
            return min(look.top, (i + 1) * width - 1)
    return look.top


def seems_inverted(look: MaskLook, meaning: MaskMeaning) -> bool:
    """Whether the object covers over half of this mask and touches all four edges."""
    if look.mains and meaning.plane is Plane.COLOUR:
        labels = label_codes(np.array([v.code for v in look.mains]), meaning)
        on = [v for v, label in zip(look.mains, labels, strict=True) if label == 1]
    elif look.bins:
        width = (look.top + 1) // len(look.bins)
        cut = (_peak_of(look) + 1) // 2 // width
        return look.sides == 15 and sum(look.bins[cut:]) > look.total / 2
    elif meaning.plane is Plane.EACH:
        ones = max(look.codes) <= 1
        on = [v for v in look.values if v.code > (0 if ones else look.top // 2)]
    else:
        on = [v for v in look.values if MaskLook(look.plane, False, 255, (v,), palette=look.palette)
              .shares(meaning) == (v.count, 0)]  # fmt: skip
    sides = 0
    for value in on:
        sides |= value.sides
    return sides == 15 and sum(v.count for v in on) > look.total / 2


def _peak_of(look: MaskLook) -> int:
    """The greatest level of a mask; of very many levels about it."""
    if look.values:
        return max(look.codes)
    width = (look.top + 1) // len(look.bins)
    return max(i for i, n in enumerate(look.bins) if n) * width + width - 1


def _luminance(colour: int) -> int:
    """ITU-R 601, as Pillow rounds it."""
    red, green, blue = (colour >> shift & 255 for shift in (16, 8, 0))
    return (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16
