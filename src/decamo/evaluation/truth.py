"""A mask as both conventions read it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.data.reading import read_labelled, read_labels
from decamo.data.rules import MaskMeaning, Plane, Rest
from decamo.evaluation.cases import Case
from decamo.evaluation.convention import Convention

__all__ = ["Truth", "read_truth"]

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
