"""All that most measures need to know of an image, gathered in one look at its pixels.

S, F, E, MAE, IoU and Dice, with all their curves, are functions of a few counts and moments. They
are gathered once, in whole numbers where the prediction has grey levels
(:mod:`~decamo.metrics.tally_bytes`), in float64 where it has not
(:mod:`~decamo.metrics.tally_floats`).
"""

from dataclasses import dataclass
from typing import NamedTuple

from decamo.metrics.counts import Counts

__all__ = ["Cut", "Part", "Quarter", "Tally", "centre_of"]


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
    the threshold is object in both. ``quarters`` are top left, top right, bottom left, bottom
    right. ``error`` is the sum over pixels of ``|prediction - mask|``.
    """

    counts: Counts
    adaptive: Cut
    half: Cut
    inside: Part
    outside: Part
    quarters: tuple[Quarter, Quarter, Quarter, Quarter]
    error: float


def centre_of(rows: int, columns: int, n: int, shape: tuple[int, int]) -> tuple[int, int]:
    """Where the quarters meet: rows and columns of the top left one.

    Args:
        rows: sum of the row numbers of the object's pixels.
        columns: sum of their column numbers.
        n: how many they are; with none, the quarters meet in the middle.
        shape: height and width of the image.

    The centroid is rounded half to even and belongs to the top left quarter, as in the authors'
    MATLAB code, where ``1:X`` has ``X`` in it.
    """
    if n == 0:
        return round(shape[0] / 2), round(shape[1] / 2)
    return round(rows / n) + 1, round(columns / n) + 1
