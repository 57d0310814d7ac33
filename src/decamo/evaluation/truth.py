"""A mask as both conventions read it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.data.reading import read_mask, read_pair
from decamo.evaluation.cases import Case
from decamo.evaluation.convention import Convention

__all__ = ["Truth", "read_truth"]

_Picture = npt.NDArray[np.uint8]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """What is object in an image.

    Attributes:
        mask: bool ``[H, W]``; a grey of 128 is object.
        strict: the same where a grey of 128 is not; None where nothing has that level.
        brightest: greatest level of the file where ``mask`` or ``strict`` has no object, else 0.
    """

    mask: _Mask
    strict: _Mask | None = None
    brightest: int = 0

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
        masks = [None if m is None else np.packbits(m) for m in (self.mask, self.strict)]
        return _unpickled, (self.mask.shape, masks, self.brightest)


def _unpickled(shape: tuple[int, int], masks: list[_Picture | None], brightest: int) -> Truth:
    size = shape[0] * shape[1]
    mask, strict = (
        None if m is None else np.unpackbits(m, count=size).reshape(shape).view(np.bool_)
        for m in masks
    )
    if mask is None:
        raise ValueError("want a mask")
    return Truth(mask, strict, brightest)


def read_truth(case: Case, with_image: bool) -> tuple[Truth, _Picture | None]:
    """The mask of a case, and its image where it is known and wanted.

    Raises:
        UnreadableImage: either cannot be decoded.
    """
    if case.pair is None:
        return Truth(read_mask(case.mask)), None
    # even where the picture is not wanted, its EXIF orientation may turn the mask
    image, mask = read_pair(case.pair, None if with_image else 1)
    return Truth(mask), image if with_image else None
