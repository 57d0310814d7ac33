"""What the values of a data set's masks mean: decided once, from a look at all of them.

No value is guessed from one file where the set can tell: a 1 is the object in a set of 0 and 1, and
next to nothing where all others have 0 and 255. What was decided is said in a line
(:mod:`~decamo.data.mask_words`), and ``--mask-values`` says otherwise.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from decamo.data.mask_look import MaskLook, Value
from decamo.data.rules import MaskMeaning, Plane, Rest, label_codes, nearest_colours
from decamo.errors import DataError, SettingsError

__all__ = [
    "MaskForm",
    "counts_as_empty",
    "decide_meaning",
    "form_of",
    "given_meaning",
    "meaning_alone",
    "parse_given",
    "same_labels",
    "same_words",
    "seems_a_photograph",
    "seems_inverted",
    "seems_swapped",
    "shown_code",
]

_RULES = 0.1  # share of a set's masks from which on they are no odd ones out
_ODD = 0.05  # share of a set's masks up to which a value is a slip
_MOST = 0.8
_VOC_VOID = 0xE0E0C0  # the colour of "void" in PASCAL VOC's label maps (index 255)
_WHITE = 0xFFFFFF
_STRAYS = 0.001  # share of the pixels that a slip of the pen may have
_SOFT = 3.0  # px: levels of an edge have shorter runs, in both directions or in one
_PEAK = 0.05  # share of the lit pixels that a codec's ringing, or a slip, may brighten further
_WHITISH = 0.62  # of the full scale: an object this bright is cut at the half as well as any
_EDGE = 8  # levels that an edge has at least, where the object is not white
_SMALL = 63  # ids of a set with one kind of object are smaller; a void of 255 goes with them
_MIDDLE = (127, 128)
_SHADES = 64  # up to which two colours are one that a codec has changed
_DARK = 64  # of 255: a ground this dark is black


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


def decide_meaning(looks: Sequence[MaskLook]) -> MaskMeaning:
    """What the masks of a set mean.

    * 0/1, 0/255, one bit, soft edges up to white: each file by itself, as
      :func:`~decamo.data.reading.read_mask` has it;
    * one other level N in all files: N is the object; where edges are soft too, from N / 2;
    * several values that fill areas: labels. 0 is ground, or what most images have on their edges
      where 0 is rare. 255 is void beside smaller labels, and so are negative values. Of
      0, N and 255 the thin one is void. 1, 2 and 3 are object, ground and void if 2 is on the
      edges (Oxford-IIIT Pet);
    * palettes that agree: the index, with black or 0 as ground and 255 as void; else, and in RGB,
      the colour, with black as ground and VOC's or a thin white one as void.

    Args:
        looks: of all masks, in any order.
    """
    shown = [look for look in looks if not look.blank]
    makers = _makers(shown, lambda look: look.plane)
    if makers & {Plane.COLOUR, Plane.INDEX}:
        return _of_colours([look for look in shown if look.plane is not Plane.ALPHA])
    plane = Plane.ALPHA if makers == {Plane.ALPHA} else Plane.LEVELS
    return _of_levels([look for look in shown if look.plane is plane], plane)


def meaning_alone(look: MaskLook) -> MaskMeaning:
    """What a single mask means, where nothing is known of its set.

    Labels need a ground of 0, or to be a trimap: one file's edges are no evidence.
    """
    if not look.bins and 0 not in look.codes and look.codes != {1, 2, 3}:
        return MaskMeaning()
    return decide_meaning([look])


def seems_swapped(looks: Iterable[MaskLook], meaning: MaskMeaning) -> bool:
    """Whether object and ground rather are the other way round.

    The object then touches all four edges and covers over half of nearly every image.
    """
    inverted = [seems_inverted(look, meaning) for look in looks]
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
        levels = [_brightness(v.colour) if v.colour >= 0 else v.code for v in look.values]
        return 1 < max(levels) < 128
    return False


def seems_a_photograph(look: MaskLook) -> bool:
    """Whether most pixels of a mask have neither of the two levels that most of them have."""
    return bool(look.bins) and 2 * sum(sorted(look.bins)[-2:]) < look.total


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
    shown = [look for look in looks if not look.blank] or list(looks)
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
    filled = [replace(look, values=look.mains or look.values) for look in map(_in_colour, looks)]
    colours = _gathered([look for look in filled if look.values]).tolist()
    others = tuple(
        c for c in colours if all(_distance(c, said) > _SHADES for said in (*object_, *ground))
    )
    return object_ or others, ground or others or (0,)


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


def _makers(looks: Sequence[MaskLook], kind: Callable[[MaskLook], StrEnum]) -> set[StrEnum]:
    """The kinds that more than a tenth of the looks are of."""
    counts = Counter(kind(look) for look in looks)
    return {k for k, n in counts.items() if n > _RULES * len(looks)}


def _of_levels(shown: Sequence[MaskLook], plane: Plane) -> MaskMeaning:
    forms = _makers(shown, form_of)
    small = forms and forms <= {MaskForm.ONES, MaskForm.LEVEL}
    if MaskForm.LABELS in forms or (
        small and any(form_of(look) is MaskForm.LABELS for look in shown)
    ):
        flat = [look for look in shown if look.values and form_of(look) is not MaskForm.SOFT]
        return _of_labels(flat, plane)
    level = [look for look in shown if form_of(look) is MaskForm.LEVEL]
    low = any(max(look.codes) <= look.top // 2 for look in level)
    if low and (MaskForm.LEVEL in forms or forms == {MaskForm.ONES}):
        return MaskMeaning(plane, ground=(0,), rest=Rest.OBJECT)
    if MaskForm.FAINT in forms:
        faint = sorted(_peak(look) for look in shown if form_of(look) is MaskForm.FAINT)
        return MaskMeaning(plane, object=(faint[len(faint) // 2],), ground=(0,))
    if any(look.cut_out for look in shown):
        top = 1 if forms == {MaskForm.ONES} else max(look.top for look in shown)
        return MaskMeaning(plane, object=(top,), ground=(0,))
    return MaskMeaning()


def _of_labels(looks: Sequence[MaskLook], plane: Plane) -> MaskMeaning:
    codes = _common_codes(looks)
    ground = 0 if _has(looks, 0) else _on_edges(looks)
    if codes == {0, 1, 2} and _on_edges(looks) == 1 and _thin(looks, 2, 0):
        return MaskMeaning(plane, object=(0,), ground=(1,), void=(2,), rest=Rest.VOID)
    if codes == {1, 2, 3} and ground == 2:
        return MaskMeaning(plane, object=(1,), ground=(2,), void=(3,), rest=Rest.VOID)
    if (void_ := _wall_of(looks, codes)) is not None:
        rest = codes - {void_}
        low = 0 if 0 in rest else _on_edges(looks)
        if low in rest:
            return MaskMeaning(plane, ground=(low,), void=(void_,), rest=Rest.OBJECT)
    top = max(look.top for look in looks)
    every = {code for look in looks for code in look.codes}
    others = sorted(every - {ground, top})
    void = tuple(v for v in others if v < 0)
    beside = any(top in look.codes and look.codes - {ground, top} for look in looks)
    if beside and len(codes - {ground, top}) == 1 and ground == 0:
        void = _void_of_three(looks, min(codes - {ground, top}), top)
    elif beside:
        void = (*void, top)
    return MaskMeaning(plane, ground=(ground,), void=void, rest=Rest.OBJECT)


def _wall_of(looks: Sequence[MaskLook], codes: set[int]) -> int | None:
    """Which of three values is a line that parts the two others in nearly every mask."""
    if len(codes) != 3:
        return None
    for code in codes:
        parted = sum(look.wall == code and look.codes == codes for look in looks)
        thin = any(_thin(looks, code, other) for other in codes - {code})
        if thin and parted >= (1 - _RULES) * len(looks):
            return code
    return None


def _void_of_three(looks: Sequence[MaskLook], low: int, top: int) -> tuple[int, ...]:
    """Which of a low value and the highest is void; neither where both fill areas."""
    if _thin(looks, low, top) or (low in _MIDDLE and not _thin(looks, top, low)):
        return (low,)
    return (top,) if low <= _SMALL or _thin(looks, top, low) else ()


def _of_colours(shown: Sequence[MaskLook]) -> MaskMeaning:
    if any(look.bins and look.plane is Plane.COLOUR for look in shown):
        return _of_blends(shown)
    palettes = [look for look in shown if look.plane is Plane.INDEX]
    if not any(look.plane is Plane.COLOUR for look in shown) and _agree(palettes):
        black = {v.code for look in palettes for v in look.values if v.colour == 0}
        dark = [code for code in sorted(black) if _has(palettes, code)]
        ground = dark[0] if dark else 0 if _has(palettes, 0) else _on_edges(palettes)
        codes = _common_codes(palettes)
        beside = 255 in codes and codes - {ground, 255}
        void_ = (255,) if beside else ()
        return MaskMeaning(Plane.INDEX, ground=(ground,), void=void_, rest=Rest.OBJECT)
    looks = [_in_colour(look) for look in shown if look.values]
    ground = 0 if _has(looks, 0) else _on_edges(looks)
    others = _common_codes(looks) - {ground}
    void = tuple(
        code
        for code in (_VOC_VOID, _WHITE)
        if code in others
        and len(others) > 1
        and (code == _VOC_VOID or all(_thin(looks, code, o) for o in _beside(looks, code, ground)))
    )
    if set(void) == others:
        void = ()
    return MaskMeaning(Plane.COLOUR, ground=(ground,), void=void, rest=Rest.OBJECT)


def _of_blends(shown: Sequence[MaskLook]) -> MaskMeaning:
    """Colours with soft edges: on black by brightness, else by the nearest one that fills areas."""
    looks = [
        replace(_in_colour(look), values=look.mains) if look.bins else _in_colour(look)
        for look in shown
        if look.mains or look.values
    ]
    peaks = sorted(_peak(look) for look in shown if look.bins)
    peak = peaks[len(peaks) // 2]
    colours = _gathered(looks)
    on_edges = Counter[int]()
    for look in looks:
        first = max(look.values, key=lambda v: v.border).code
        on_edges[int(colours[nearest_colours(np.array([first]), colours)[0]])] += 1
    if not on_edges:
        return MaskMeaning(Plane.LEVELS, object=(peak,), ground=(0,))
    ground = on_edges.most_common(1)[0][0]
    others = tuple(sorted(int(c) for c in colours if c != ground))
    if _brightness(ground) < _DARK and all(2 * _brightness(c) >= peak for c in others):
        return MaskMeaning(Plane.LEVELS, object=(peak,), ground=(0,))
    return MaskMeaning(Plane.COLOUR, object=others, ground=(ground,))


def _gathered(looks: Sequence[MaskLook]) -> NDArray[np.int64]:
    """The colours that fill areas of the masks; those a codec made of one are one."""
    counts = Counter[int]()
    for look in looks:
        for value in look.values:
            counts[value.code] += value.count
    kept: list[int] = []
    for code, _ in counts.most_common():
        near = nearest_colours(np.array([code]), np.array(kept))[0] if kept else -1
        if near < 0 or _distance(code, kept[near]) > _SHADES:
            kept.append(code)
    return np.array(kept, dtype=np.int64)


def _distance(a: int, b: int) -> int:
    """Between two colours: the greatest of a channel."""
    return max(abs((a >> shift & 255) - (b >> shift & 255)) for shift in (16, 8, 0))


def _brightness(colour: int) -> int:
    return max(colour >> shift & 255 for shift in (16, 8, 0))


def _beside(looks: Sequence[MaskLook], code: int, ground: int) -> set[int]:
    """What stands beside a value in the same masks; the ground alone where nothing does."""
    together = {c for look in looks if code in look.codes for c in look.codes}
    return together - {code, ground} or {ground, -1}


def _in_colour(look: MaskLook) -> MaskLook:
    """A look whose values are packed colours."""
    if look.plane is Plane.COLOUR:
        return look
    values = tuple(
        Value(v.code * 0x010101 if v.colour < 0 else v.colour, *_rest_of(v)) for v in look.values
    )
    return MaskLook(Plane.COLOUR, look.lossy, look.top, values)


def _rest_of(v: Value) -> tuple[int, float, int, int]:
    return v.count, v.thickness, v.border, v.sides


def _agree(palettes: Sequence[MaskLook]) -> bool:
    """Whether no index has two colours."""
    colours: dict[int, int] = {}
    return all(
        colours.setdefault(v.code, v.colour) == v.colour for look in palettes for v in look.values
    )


def _common_codes(looks: Sequence[MaskLook]) -> set[int]:
    """The values of a set, without those of odd files."""
    files = Counter(code for look in looks for code in look.codes)
    return {code for code, n in files.items() if n > _ODD * len(looks)}


def _has(looks: Sequence[MaskLook], code: int) -> bool:
    """Whether at least half of the masks have a value."""
    return sum(code in look.codes for look in looks) * 2 >= len(looks)


def _on_edges(looks: Sequence[MaskLook]) -> int:
    """The value that most often has the greatest share of an image's edges."""
    first = Counter(max(look.values, key=lambda v: v.border).code for look in looks)
    return first.most_common(1)[0][0]


def _thin(looks: Sequence[MaskLook], code: int, other: int) -> bool:
    """Whether a value is a line around another: its runs are less than half as long."""
    both = [look for look in looks if {code, other} <= look.codes]
    thick = [
        [sum(v.thickness for v in look.values if v.code == c) for look in both]
        for c in (code, other)
    ]
    return bool(both) and 2 * sum(thick[0]) < sum(thick[1])


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
    return MaskForm.SOFT if _peak(look) >= _WHITISH * look.top else MaskForm.FAINT


def _peak(look: MaskLook) -> int:
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
