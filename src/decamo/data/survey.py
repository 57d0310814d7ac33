"""From a look at every file of a data set to the one rule by which they are read, and its words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from decamo.data.given_values import given_meaning, shown_code
from decamo.data.mask_forms import (
    MaskForm,
    counts_as_empty,
    form_of,
    inverted_masks,
    seems_a_photograph,
    seems_swapped,
)
from decamo.data.mask_look import MaskLook
from decamo.data.mask_values import decide_meaning
from decamo.data.pixel_range import WideLook, decide_scale, fitting_scale, scale_words
from decamo.data.rules import MAX_PIXELS, MaskMeaning, PixelScale, Plane, ReadingRule, Rest
from decamo.settings.words import counted, verb
from decamo.storage.spilled import Picked

__all__ = ["Decided", "Sight", "decide_rule"]

_FIRST = 3  # names in a line
_RARE = 0.1  # share of the masks up to which a form is an odd one out
_PLANES = {
    Plane.INDEX: "palette index ",
    Plane.COLOUR: "colour ",
    Plane.ALPHA: "alpha ",
}
_REST = {Rest.OBJECT: "object", Rest.GROUND: "ground", Rest.VOID: "void"}


@dataclass(frozen=True)
class Sight:
    """What a look at a pair tells of its values.

    Attributes:
        name: the pair's, for people.
        mask: the mask's values.
        numbers: of the image, where they have more than 8 bits.
        flat: whether the image has a single colour.
    """

    name: str
    mask: MaskLook
    numbers: WideLook | None = None
    flat: bool = False

    def to_plain(self) -> list[Any]:
        """Plain JSON values, without the name."""
        numbers = None if self.numbers is None else self.numbers.to_plain()
        return [self.mask.to_plain(), numbers, self.flat]

    @classmethod
    def from_plain(cls, name: str, plain: Any) -> "Sight":
        """The inverse of :meth:`to_plain`.

        Raises:
            ValueError, TypeError: no such list.
        """
        mask, numbers, flat = plain
        wide = None if numbers is None else WideLook.from_plain(numbers)
        return cls(name, MaskLook.from_plain(mask), wide, bool(flat))


@dataclass(frozen=True)
class Decided:
    """The rule of a data set.

    Attributes:
        rule: by which its files are read.
        lines: what was decided, for people: one on masks, one on images where there is a choice.
        warnings: what does not fit, a line each.
        empty: a line that names masks without an object that are not black; or nothing.
    """

    rule: ReadingRule
    lines: tuple[str, ...]
    warnings: tuple[str, ...]
    empty: tuple[str, ...] = ()


def decide_rule(
    name: str,
    sights: Sequence[Sight],
    *,
    given: Sequence[str] = (),
    held: ReadingRule | None = None,
    ranges: Mapping[str, PixelScale] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Decided:
    """How the files of a data set are read.

    Args:
        name: the data set's, for people.
        sights: of its pairs.
        given: what ``--mask-values`` says, such as ``("object=1", "void=255")``.
        held: the rule that a checkpoint was trained by; it stays.
        ranges: of the numbers of images that a network was trained on, by data set, where it is to
            see these; one of them is taken if it fits.
        max_pixels: the most that a file may have.

    Raises:
        SettingsError: ``given`` cannot be meant.
        DataError: no mask has a value that ``given`` calls object.
    """
    looks = Picked.each(sights, attrgetter("mask"))
    wide = Picked.where(sights, lambda sight: sight.numbers is not None)
    numbers: Sequence[WideLook] = Picked.each(wide, attrgetter("numbers"))
    meaning, scale = decide_meaning(looks), decide_scale(numbers)
    why = ""
    if held is not None:
        differs = (held.mask, held.scale) != (meaning, scale)
        meaning, scale = held.mask, held.scale
        why = " (as the checkpoint was trained; alone the files would say otherwise)" * differs
    if given:
        meaning, why = given_meaning(given, looks), " (--mask-values)"
    lines = [f"masks of {name}: {_mask_words(looks, meaning)}{why}"] if looks else []
    if numbers and ranges:
        scale, words = fitting_scale(numbers, ranges, name)
        lines.append(f"images of {name}: {len(numbers)} images of more than 8 bits: {words}")
    elif numbers:
        lines.append(f"images of {name}: {scale_words(numbers, scale)}")
    warnings = _swapped(name, sights, meaning) + _odd_masks(name, sights, meaning)
    warnings += _photographs(name, sights) + _flat_images(name, sights, scale)
    empty = _empty_masks(name, sights, meaning, said=bool(given))
    rule = ReadingRule(meaning, scale, max_pixels)
    return Decided(rule, tuple(lines), tuple(warnings), tuple(empty))


def _mask_words(looks: Sequence[MaskLook], meaning: MaskMeaning) -> str:
    count = counted(len(looks), "mask")
    if meaning.plane is Plane.EACH:
        return f"{_form_words(looks)} of {count}{_half_words(looks)}"
    roles = [
        f"{role} {_PLANES.get(meaning.plane, '')}{_code_words(codes, meaning.plane)}"
        for role, codes in (
            ("object", meaning.object),
            ("ground", meaning.ground),
            ("void", meaning.void),
        )
        if codes
    ]
    if meaning.rest is not Rest.NEAREST:
        roles.append(f"{_REST[meaning.rest]} all else{_others(looks, meaning)}")
    elif len(roles) > 1:
        roles.append("values between as the nearest")
    return f"{', '.join(roles)}; {_share_words(looks, meaning)}{count}"


def _form_words(looks: Sequence[MaskLook]) -> str:
    forms = Counter(form_of(look) for look in looks)
    words = {
        MaskForm.SOFT: "soft edges, cut at the half,",
        MaskForm.BLANK: "a single value",
        MaskForm.LEVEL: "0 and " + _code_words(_levels(looks), Plane.LEVELS),
    }
    parts = [f"{words.get(form, form.value)} in {n}" for form, n in forms.most_common()]
    return ", ".join(parts)


def _half_words(looks: Sequence[MaskLook]) -> str:
    """What becomes of a grey of 128, which tools of the field treat in two ways."""
    half = sum(look.half for look in looks) + sum(
        v.count for look in looks if len(look.values) > 2 for v in look.values if v.code == 128
    )
    if 128 in _levels(looks):
        return "; 128 is object (a tool that takes what exceeds 128 finds none)"
    return f"; {half} pixels of 128 are object" if half else ""


def _levels(looks: Sequence[MaskLook]) -> tuple[int, ...]:
    return tuple(sorted({max(k.codes) for k in looks if form_of(k) is MaskForm.LEVEL}))


def _others(looks: Sequence[MaskLook], meaning: MaskMeaning) -> str:
    named = {*meaning.object, *meaning.ground, *meaning.void}
    codes = {c for look in looks if look.plane is meaning.plane for c in look.codes} - named
    words = f"{_PLANES.get(meaning.plane, '')}{_code_words(tuple(codes), meaning.plane)}"
    return f" ({words})" if codes else ""


def _code_words(codes: Sequence[int], plane: Plane) -> str:
    """Some values; runs of them as ``1-90``."""
    ordered = sorted(codes)
    runs: list[list[int]] = []
    for code in ordered:
        if runs and plane is not Plane.COLOUR and code == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], code]
        else:
            runs.append([code])
    words = ["-".join(shown_code(c, plane) for c in run) for run in runs]
    more = f" and {len(words) - 8} more" if len(words) > 8 else ""
    return ", ".join(words[:8]) + more


def _share_words(looks: Sequence[MaskLook], meaning: MaskMeaning) -> str:
    total = object_ = void = 0
    for look in looks:
        if (share := look.shares(meaning)) is not None:
            total, object_, void = total + look.total, object_ + share[0], void + share[1]
    if not total:
        return ""
    return (
        f"object {object_ / total:.1%}"
        + (f" and void {void / total:.1%}" * meaning.has_void)
        + " of "
    )


def _swapped(name: str, sights: Sequence[Sight], meaning: MaskMeaning) -> list[str]:
    """Objects that look like grounds, in nearly all masks or in some."""
    looks = Picked.each(sights, attrgetter("mask"))
    if seems_swapped(looks, meaning):
        return [
            f"masks of {name}: the object touches all edges and covers most of nearly every image:"
            f" object and ground may be swapped; if so, give --mask-values {_turned(meaning)}"
        ]
    inverted = [sights[place].name for place in inverted_masks(looks, meaning)]
    if not inverted:
        return []
    return [
        f"masks of {name}: {len(inverted)} of {len(sights)} seem inverted (the object touches all"
        f" edges and covers most of the image, unlike in the others): {_names(inverted)}"
    ]


def _turned(meaning: MaskMeaning) -> str:
    """What ``--mask-values`` must say for object and ground to change places."""
    roles = {"object": meaning.ground or (0,), "void": meaning.void}
    if meaning.plane is Plane.COLOUR and meaning.rest is Rest.NEAREST:
        roles["ground"] = meaning.object
    return " ".join(
        f"{role}={','.join(shown_code(v, meaning.plane) for v in codes)}"
        for role, codes in roles.items()
        if codes
    )


def _photographs(name: str, sights: Sequence[Sight]) -> list[str]:
    photographs = [sight.name for sight in sights if seems_a_photograph(sight.mask)]
    if not photographs:
        return []
    return [
        f"masks of {name}: {len(photographs)} of {len(sights)} look like photographs, with hardly"
        f" two levels that most pixels have: {_names(photographs)}; is it the folder of the masks?"
    ]


def _empty_masks(
    name: str, sights: Sequence[Sight], meaning: MaskMeaning, *, said: bool
) -> list[str]:
    """Masks that count as empty though they are not black."""
    empty = [sight for sight in sights if counts_as_empty(sight.mask, meaning)]
    if not empty:
        return []
    remedy = "; if they show objects, write these as 255, or say so with --mask-values"
    return [
        f"masks of {name}: {len(empty)} of {len(sights)} are not black but have no value of an"
        f" object, and count as empty: {_names([s.name for s in empty])}{'' if said else remedy}"
    ]


def _odd_masks(name: str, sights: Sequence[Sight], meaning: MaskMeaning) -> list[str]:
    """Masks that are not as their set is; one line a kind."""
    odd: dict[str, list[str]] = {}
    if meaning.plane is Plane.EACH:
        counts = Counter(form_of(sight.mask) for sight in sights)
        shown = sum(counts.values()) - counts[MaskForm.BLANK]
        rare = {f for f, n in counts.items() if n <= _RARE * shown} - {MaskForm.BLANK}
        common = ", ".join(f.value for f, _ in counts.most_common() if f not in rare)
        for sight in sights:
            form = form_of(sight.mask)
            if form in rare:
                odd.setdefault(f"{form.value} where the others are {common}", []).append(sight.name)
    for sight in sights:
        shares = sight.mask.shares(meaning) if meaning.plane is not Plane.EACH else None
        if shares and shares[1] and not shares[0]:
            odd.setdefault("void, and no object", []).append(sight.name)
        elif meaning.plane is Plane.INDEX and sight.mask.plane is Plane.COLOUR:
            odd.setdefault("colours where the others have a palette", []).append(sight.name)
    return [
        f"masks of {name}: {len(names)} of {len(sights)}"
        f" {verb(len(names), 'disagrees', 'disagree')} with their set ({kind}):"
        f" {_names(names)}"
        for kind, names in odd.items()
    ]


def _flat_images(name: str, sights: Sequence[Sight], scale: PixelScale | None) -> list[str]:
    flat = [sight.name for sight in sights if _is_flat(sight, scale)]
    if not flat:
        return []
    verb = "image is" if len(flat) == 1 else "images are"
    return [f"images of {name}: {len(flat)} {verb} of one single colour: {_names(flat)}"]


def _is_flat(sight: Sight, scale: PixelScale | None) -> bool:
    if sight.numbers is None or scale is None:
        return sight.flat
    low, high = sight.numbers.low, sight.numbers.high
    span = (scale.high - scale.low) / 255
    return high <= scale.low or low >= scale.high or high - low < span


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FIRST} more" if len(names) > _FIRST else ""
    return ", ".join(names[:_FIRST]) + more
