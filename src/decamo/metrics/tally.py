"""All that most measures need to know of an image, gathered in one look at its pixels.

S, F, E, MAE, IoU and Dice, with all their curves over the 256 thresholds, are functions of a few
counts and moments. They are gathered once, in whole numbers where the prediction has grey levels,
in float64 where it has not (:mod:`~decamo.metrics.tallying`).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from decamo.metrics.calibration import Reliability
from decamo.metrics.distances import Box, box_of

__all__ = [
    "Counts",
    "Curve",
    "Cut",
    "Part",
    "Quarter",
    "ShortTally",
    "Tally",
    "quarters_of",
    "ratio",
]

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


class Cut(NamedTuple):
    """A prediction cut at one threshold: object pixels found, ground pixels taken for object."""

    tp: int
    fp: int


class ShortTally(NamedTuple):
    """What IoU and Dice at 0.5 and MAE need to know of an image.

    ``n`` pixels, ``n_object`` of them the object's; ``half`` cuts at 0.5; ``error`` is the sum over
    pixels of ``|prediction - mask|``.
    """

    n: int
    n_object: int
    half: Cut
    error: float


class Part(NamedTuple):
    """The prediction on the object, or on its ground: pixels, mean, and deviation (n - 1)."""

    n: int
    mean: float
    std: float


class Quarter(NamedTuple):
    """One of the four rectangles that meet at the object's centre.

    ``mean`` and ``spread`` are the prediction's mean and its summed squared deviation from it;
    ``joint`` is the summed product of the deviations of prediction and mask.
    """

    n: int
    n_object: int
    mean: float
    spread: float
    joint: float


@dataclass(frozen=True)
class Tally:
    """What one look at an image gathers.

    ``adaptive`` cuts at twice the mean of the prediction (at most 1), ``half`` at 0.5; a pixel on
    the threshold is object in both, unless ``half`` was asked to lie above it. ``quarters`` are
    top left, top right, bottom left, bottom right. ``error`` is the sum over pixels of
    ``|prediction - mask|``. ``reliability`` is of the prediction as it was before any stretch.
    """

    counts: Counts
    adaptive: Cut
    half: Cut
    inside: Part
    outside: Part
    quarters: tuple[Quarter, Quarter, Quarter, Quarter]
    error: float
    reliability: Reliability

    @property
    def short(self) -> ShortTally:
        """The part of it that the short list of scores needs."""
        return ShortTally(self.counts.n, self.counts.n_object, self.half, self.error)


def quarters_of(mask: npt.NDArray[np.bool_], box: Box | None = None) -> list[tuple[slice, slice]]:
    """Windows of the four quarters of a bool ``[H, W]`` mask; see :class:`Tally` for the order.

    They meet at the object's centroid, rounded half to even, whose pixel belongs to the top left
    one, as in the authors' MATLAB code, where ``1:X`` has ``X`` in it. Without an object they meet
    in the middle. The mask's box need not be looked for where it is known.
    """
    height, width = mask.shape
    box = box or box_of(mask)
    if box is None:
        bottom, right = round(height / 2), round(width / 2)
    else:
        window = mask[box.top : box.bottom, box.left : box.right]
        rows, columns = (window.sum(axis=axis, dtype=np.uint32) for axis in (1, 0))
        n = int(rows.sum())
        bottom = round(int(rows @ np.arange(box.top, box.bottom)) / n) + 1
        right = round(int(columns @ np.arange(box.left, box.right)) / n) + 1
    top_bottom = slice(0, bottom), slice(bottom, height)
    left_right = slice(0, right), slice(right, width)
    return [(rows_, columns_) for rows_ in top_bottom for columns_ in left_right]
