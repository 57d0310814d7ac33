"""What the values of a data set's masks mean: decided once, from a look at all of them.

No value is guessed from one file where the set can tell: a 1 is the object in a set of 0 and 1, and
next to nothing where all others have 0 and 255. What was decided is said in a line, and
``--mask-values`` says otherwise (:mod:`~decamo.data.given_values`).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from decamo.data.mask_forms import MaskForm, brightness, form_of, object_level
from decamo.data.mask_look import MaskLook, Value
from decamo.data.rules import MaskMeaning, Plane, Rest, nearest_colours
from decamo.storage.spilled import Picked

__all__ = [
    "SHADES",
    "colour_distance",
    "decide_meaning",
    "filling_colours",
    "in_colour",
    "meaning_alone",
]

_RULES = 0.1  # share of a set's masks from which on they are no odd ones out
_ODD = 0.05  # share of a set's masks up to which a value is a slip
_VOC_VOID = 0xE0E0C0  # the colour of "void" in PASCAL VOC's label maps (index 255)
_WHITE = 0xFFFFFF
_SMALL = 63  # ids of a set with one kind of object are smaller; a void of 255 goes with them
_MIDDLE = (127, 128)
SHADES = 64  # up to which two colours are one that a codec has changed
_DARK = 64  # of 255: a ground this dark is black


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
    shown = Picked.where(looks, lambda look: not look.blank)
    makers = _makers(shown, lambda look: look.plane)
    if makers & {Plane.COLOUR, Plane.INDEX}:
        return _of_colours(Picked.where(shown, lambda look: look.plane is not Plane.ALPHA))
    plane = Plane.ALPHA if makers == {Plane.ALPHA} else Plane.LEVELS
    return _of_levels(Picked.where(shown, lambda look: look.plane is plane), plane)


def meaning_alone(look: MaskLook) -> MaskMeaning:
    """What a single mask means, where nothing is known of its set.

    Labels need a ground of 0, or to be a trimap: one file's edges are no evidence.
    """
    if not look.bins and 0 not in look.codes and look.codes != {1, 2, 3}:
        return MaskMeaning()
    return decide_meaning([look])


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
        flat = Picked.where(shown, lambda k: bool(k.values) and form_of(k) is not MaskForm.SOFT)
        return _of_labels(flat, plane)
    level = (look for look in shown if form_of(look) is MaskForm.LEVEL)
    low = any(max(look.codes) <= look.top // 2 for look in level)
    if low and (MaskForm.LEVEL in forms or forms == {MaskForm.ONES}):
        return MaskMeaning(plane, ground=(0,), rest=Rest.OBJECT)
    if MaskForm.FAINT in forms:
        faint = sorted(object_level(look) for look in shown if form_of(look) is MaskForm.FAINT)
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
    palettes = Picked.where(shown, lambda look: look.plane is Plane.INDEX)
    if not any(look.plane is Plane.COLOUR for look in shown) and _agree(palettes):
        black = {v.code for look in palettes for v in look.values if v.colour == 0}
        dark = [code for code in sorted(black) if _has(palettes, code)]
        ground = dark[0] if dark else 0 if _has(palettes, 0) else _on_edges(palettes)
        codes = _common_codes(palettes)
        beside = 255 in codes and codes - {ground, 255}
        void_ = (255,) if beside else ()
        return MaskMeaning(Plane.INDEX, ground=(ground,), void=void_, rest=Rest.OBJECT)
    looks = Picked.each(Picked.where(shown, lambda look: bool(look.values)), in_colour)
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
    some = Picked.where(shown, lambda look: bool(look.mains or look.values))
    looks = Picked.each(some, _filling)
    peaks = sorted(object_level(look) for look in shown if look.bins)
    peak = peaks[len(peaks) // 2]
    colours = filling_colours(looks)
    on_edges = Counter[int]()
    for look in looks:
        first = max(look.values, key=lambda v: v.border).code
        on_edges[int(colours[nearest_colours(np.array([first]), colours)[0]])] += 1
    if not on_edges:
        return MaskMeaning(Plane.LEVELS, object=(peak,), ground=(0,))
    ground = on_edges.most_common(1)[0][0]
    others = tuple(sorted(int(c) for c in colours if c != ground))
    if brightness(ground) < _DARK and all(2 * brightness(c) >= peak for c in others):
        return MaskMeaning(Plane.LEVELS, object=(peak,), ground=(0,))
    return MaskMeaning(Plane.COLOUR, object=others, ground=(ground,))


def _filling(look: MaskLook) -> MaskLook:
    """A look at the colours that fill areas."""
    return replace(in_colour(look), values=look.mains) if look.bins else in_colour(look)


def filling_colours(looks: Sequence[MaskLook]) -> NDArray[np.int64]:
    """The colours that fill areas of the masks; those a codec made of one are one."""
    counts = Counter[int]()
    for look in looks:
        for value in look.values:
            counts[value.code] += value.count
    kept: list[int] = []
    for code, _ in counts.most_common():
        near = nearest_colours(np.array([code]), np.array(kept))[0] if kept else -1
        if near < 0 or colour_distance(code, kept[near]) > SHADES:
            kept.append(code)
    return np.array(kept, dtype=np.int64)


def colour_distance(a: int, b: int) -> int:
    """Between two colours: the greatest of a channel."""
    return max(abs((a >> shift & 255) - (b >> shift & 255)) for shift in (16, 8, 0))


def _beside(looks: Sequence[MaskLook], code: int, ground: int) -> set[int]:
    """What stands beside a value in the same masks; the ground alone where nothing does."""
    together = {c for look in looks if code in look.codes for c in look.codes}
    return together - {code, ground} or {ground, -1}


def in_colour(look: MaskLook) -> MaskLook:
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
    found, thick = False, [0.0, 0.0]
    for look in looks:
        if {code, other} <= look.codes:
            found = True
            for side, c in enumerate((code, other)):
                thick[side] += sum(v.thickness for v in look.values if v.code == c)
    return found and 2 * thick[0] < thick[1]
