"""Masks as they are scored: read by the rule of their data set, fitted to the map."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.data.deciding import refuse_unknown, words_for
from decamo.data.mask_forms import MaskForm, form_of
from decamo.data.mask_look import MaskLook
from decamo.data.pixel_range import WideLook
from decamo.data.read_ahead import patient_each
from decamo.data.reading import read_labelled, read_labels, see_image, see_mask
from decamo.data.rules import MAX_PIXELS, MaskMeaning, PixelScale, Plane, ReadingRule, Rest
from decamo.data.survey import Decided, Sight, decide_rule
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import UnreadableImage
from decamo.evaluation.cases import Case, CaseSet, RuledCases
from decamo.evaluation.convention import Convention
from decamo.storage.spilled import Spilled

__all__ = [
    "RuledSets",
    "Truth",
    "read_truth",
    "rule_sets",
]

_EIGHT_BIT = (".jpg", ".jpeg", ".bmp", ".gif", ".webp")  # need no look for greater numbers
_HALF = 128


@dataclass(frozen=True)
class RuledSets:
    """Sets whose cases know how their files are read.

    Attributes:
        sets: with the rule of each in its cases.
        lines: what was decided and what does not fit, for people.
    """

    sets: tuple[CaseSet, ...]
    lines: tuple[str, ...]


def rule_sets(
    sets: Sequence[CaseSet],
    *,
    given: Sequence[str] = (),
    images: bool = False,
    ranges: Mapping[str, PixelScale] | None = None,
    max_pixels: int = MAX_PIXELS,
    threads: int = 4,
    ear: Ear = NOBODY,
) -> RuledSets:
    """Decide for each set how its files are read; what cannot be read is left to scoring.

    Args:
        sets: to be scored against.
        given: words of ``--mask-values``.
        images: whether a network will see the images, so that their numbers count too.
        ranges: of numbers of more than 8 bits that the networks were trained on, by data set.
        max_pixels: the most that a file may have.
        threads: that look at files.
        ear: listened to meanwhile.

    Raises:
        DataStalled: a file is not read to its end.
        SettingsError: ``given`` cannot be meant, or names a set that is not there.
        DataError: no mask has a value that ``given`` calls object.
    """
    refuse_unknown(given, [one.name for one in sets])
    bound = ReadingRule(max_pixels=max_pixels)
    made, lines = [], []
    for one in sets:
        sights = _Sights()
        for sight in patient_each(
            lambda case: _sight(case, bound, images),
            one.cases,
            ear,
            threads=threads,
            name=lambda case: case.mask,
        ):
            sights.add(sight)
        words = words_for(one.name, given)
        decided = decide_rule(
            one.name, sights.known, given=words, ranges=ranges, max_pixels=max_pixels
        )
        made.append(_ruled(one, sights, decided, said=bool(words)))
        lines += [*decided.lines, *decided.warnings]
    return RuledSets(tuple(made), tuple(lines))


def _sight(case: Case, rule: ReadingRule, images: bool) -> Sight | None:
    try:
        return Sight(case.mask.name, see_mask(case.mask, rule), _numbers(case, rule, images))
    except UnreadableImage:
        return None


def _numbers(case: Case, rule: ReadingRule, images: bool) -> WideLook | None:
    if not images or case.pair is None or case.pair.image.suffix.lower() in _EIGHT_BIT:
        return None
    return see_image(case.pair.image, rule)


class _Sights:
    """What was seen of each case, and of all what tells how it is cut.

    Attributes:
        known: what was seen; nothing of a case that cannot be read.
        half: of each case whether its mask has a grey about 128.
        brightest: of each case the greatest level of its mask.
        ones: whether some mask has 0 and 1 alone.
    """

    def __init__(self) -> None:
        self.known: Spilled[Sight] = Spilled()
        self.half, self.brightest, self.ones = bytearray(), array("L"), False

    def add(self, sight: Sight | None) -> None:
        """What was seen of the next case; None where it cannot be read."""
        self.half.append(sight is not None and _has_half(sight.mask))
        self.brightest.append(0 if sight is None else _brightest(sight.mask))
        if sight is not None:
            self.ones = self.ones or form_of(sight.mask) is MaskForm.ONES
            self.known.append(sight)


def _ruled(one: CaseSet, seen: _Sights, decided: Decided, *, said: bool) -> CaseSet:
    rule = decided.rule
    # what is said of a value, by all files or by the user, holds; a file read by itself is cut
    half: Sequence[int] = seen.half if rule.mask.plane is Plane.EACH else bytes(len(seen.half))
    # the field's tools cut at 128 even where the object's grey is no white and half of it is less
    if not said and _is_faint(rule.mask):
        half = b"\1" * len(seen.half)
    alike = (rule.mask.plane is Plane.EACH and not seen.ones) or not decided.lines
    meaning = "" if alike else decided.lines[0]
    return replace(one, cases=RuledCases(one.cases, rule, half, seen.brightest), meaning=meaning)


def _is_faint(meaning: MaskMeaning) -> bool:
    """Whether masks have soft edges and an object that is grey, yet above 128."""
    levels = meaning.plane is Plane.LEVELS and meaning.rest is Rest.NEAREST
    return levels and meaning.ground == (0,) and _HALF < min(meaning.object, default=0) < 255


def _has_half(look: MaskLook) -> bool:
    """Whether a mask of grey levels has a pixel of 128."""
    grey = look.plane is Plane.LEVELS and look.top == 255
    return grey and (look.half > 0 or _HALF in look.codes)


def _brightest(look: MaskLook) -> int:
    """The greatest level of a mask, or of its colours' channels; of very many levels about it."""
    if look.bins:
        width = (look.top + 1) // len(look.bins)
        return max(i for i, n in enumerate(look.bins) if n) * width + width - 1
    codes = look.codes
    if look.plane is not Plane.COLOUR:
        return max(codes)
    return max(max(code >> shift & 255 for shift in (16, 8, 0)) for code in codes)


_DARK = MaskMeaning(Plane.LEVELS, object=tuple(range(129)), rest=Rest.GROUND)
_Picture = npt.NDArray[np.uint8]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """What is object in an image.

    Attributes:
        mask: bool ``[H, W]``; a grey of 128 is object.
        strict: the same where only what exceeds 128 is; None where that is no other.
        brightest: greatest level of the file, where it is known.
        void: bool ``[H, W]``, what is neither object nor ground and counts in no score; or None.
    """

    mask: _Mask
    strict: _Mask | None = None
    brightest: int = 0
    void: _Mask | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.mask.shape[0], self.mask.shape[1]

    def by(self, convention: Convention) -> _Mask:
        """The mask by a convention."""
        if convention is Convention.PUBLISHED and self.strict is not None:
            return self.strict
        return self.mask

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, masks are bits: less to write for the one process that feeds all others."""
        every = (self.mask, self.strict, self.void)
        masks = [None if m is None else np.packbits(m) for m in every]
        return _unpickled, (self.mask.shape, masks, self.brightest)


def _unpickled(shape: tuple[int, int], masks: list[_Picture | None], brightest: int) -> Truth:
    size = shape[0] * shape[1]
    mask, strict, void = (
        None if m is None else np.unpackbits(m, count=size).reshape(shape).view(np.bool_)
        for m in masks
    )
    if mask is None:
        raise ValueError("want a mask")
    return Truth(mask, strict, brightest, void)


def read_truth(case: Case, with_image: bool) -> tuple[Truth, _Picture | None]:
    """The mask of a case by the rule of its set, and its image where it is known and wanted.

    Raises:
        UnreadableImage: either cannot be decoded.
    """
    image: _Picture | None = None
    if case.pair is None:
        labels = read_labels(case.mask, case.rule)
    else:
        # even where the picture is not wanted, its EXIF orientation may turn the mask
        image, labels = read_labelled(case.pair, None if with_image else 1)
    strict = labels.object & ~_dark(case) if case.half else None
    void = labels.void if labels.void is not None and labels.void.any() else None
    return Truth(labels.object, strict, case.brightest, void), image if with_image else None


def _dark(case: Case) -> _Mask:
    """Pixels that do not exceed 128."""
    rule = replace(case.rule, mask=_DARK)
    if case.pair is None:
        return read_labels(case.mask, rule).object
    return read_labelled(replace(case.pair, rule=rule), 1)[1].object
