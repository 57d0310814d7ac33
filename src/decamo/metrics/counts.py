"""Grey levels counted once; every curve over the 256 thresholds comes from the counts."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["Counts", "Curve", "ratio"]

Curve = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def ratio(numerator: npt.NDArray[np.generic], denominator: npt.NDArray[np.generic]) -> Curve:
    """Quotient, element by element; 0 where the denominator is 0."""
    quotient = np.zeros(np.shape(denominator), dtype=np.float64)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


@dataclass(frozen=True)
class Counts:
    """Pixels of the object and of its ground at each grey level; two int64 ``[256]``.

    Curves are indexed by threshold: at ``t`` the pixels of grey level ``t`` and above are object,
    so that ``t = 0`` takes the whole image. The reference toolboxes list the same values from 255
    down. A value ``p`` in [0, 1] has the grey level ``floor(255 p)``, in the prediction's own
    precision.
    """

    inside: Whole
    outside: Whole

    @cached_property
    def tp(self) -> Whole:
        """Object pixels found at each threshold, int64 ``[256]``."""
        return np.cumsum(self.inside[::-1])[::-1]

    @cached_property
    def fp(self) -> Whole:
        """Ground pixels taken for object at each threshold, int64 ``[256]``."""
        return np.cumsum(self.outside[::-1])[::-1]

    @property
    def n_object(self) -> int:
        """Pixels of the object."""
        return int(self.tp[0])

    @property
    def n(self) -> int:
        """Pixels of the image."""
        return int(self.tp[0] + self.fp[0])

    def precision(self) -> Curve:
        """TP / (TP + FP), float64 ``[256]``; 0 where no pixel is taken for object."""
        return ratio(self.tp, self.tp + self.fp)

    def recall(self) -> Curve:
        """TP / (TP + FN), float64 ``[256]``; 0 where the mask is empty."""
        return ratio(self.tp, np.full(256, self.n_object))

    def iou(self) -> Curve:
        """TP / (TP + FP + FN), float64 ``[256]``; 0 where there is neither object nor prediction.

        That last value is the field's; :func:`decamo.metrics.iou` calls such an image a match, 1.
        """
        return ratio(self.tp, self.fp + self.n_object)

    def dice(self) -> Curve:
        """2 TP / (2 TP + FP + FN), float64 ``[256]``; empty images as in :meth:`iou`."""
        return ratio(2 * self.tp, self.tp + self.fp + self.n_object)
