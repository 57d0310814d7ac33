"""All that most measures need to know of an image, gathered in one look at its pixels.

S, F, E, MAE, IoU and Dice, with all their curves, are functions of a few counts and moments. They
are gathered once, in whole numbers where the prediction has grey levels
(:mod:`~decamo.metrics.tally_bytes`), in float64 where it has not
(:mod:`~decamo.metrics.tally_floats`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from decamo.metrics.counts import Counts
from decamo.metrics.distances import box_of

__all__ = ["Cut", "Part", "Quarter", "Tally", "quarters_of"]


class Cut(NamedTuple):
    """A prediction cut at one threshold: object pixels found, ground pixels taken for object."""

    tp: int
    fp: int


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
    ``|prediction - mask|``.
    """

    counts: Counts
    adaptive: Cut
    half: Cut
    inside: Part
    outside: Part
    quarters: tuple[Quarter, Quarter, Quarter, Quarter]
    error: float


def quarters_of(mask: npt.NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """Windows of the four quarters of a bool ``[H, W]`` mask; see :class:`Tally` for the order.

    They meet at the object's centroid, rounded half to even, whose pixel belongs to the top left
    one, as in the authors' MATLAB code, where ``1:X`` has ``X`` in it. Without an object they meet
    in the middle.
    """
    height, width = mask.shape
    box = box_of(mask)
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
