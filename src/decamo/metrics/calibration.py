"""Whether pixels of probability p are object in the share p of cases: what a set's ECE is made of.

Expected calibration error: Naeini et al., "Obtaining well calibrated probabilities using Bayesian
binning", AAAI 2015; with 15 bins: Guo et al., "On calibration of modern neural networks", ICML
2017. A map is taken as it is, also where its scores are those of the stretched one: a probability
that was stretched is none.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["BINS", "BIN_CURVES", "Reliability", "calibration_error", "of_floats", "of_levels"]

BINS = 15  # of equal width, each with its lower edge: 17 of 256 grey levels, the last one 18
BIN_CURVES = ("bin_pixels", "bin_probability", "bin_object")
"""Fields of :class:`~decamo.metrics.ImageMeasures` that have a value for each bin."""

Bins = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]

_TOP = 65535  # level of 1 where floats are counted: 257 k of grey level k, so that bins are alike
_CHUNK = 1 << 17  # values counted at a time


class Reliability(NamedTuple):
    """Shares of an image's pixels, and of their probability, by bins of probability.

    ``pixels``, float64 ``[15]``, is the share of the image's pixels that lies in each bin,
    ``object`` that which lies in it and is object, and ``probability`` the sum of the bin's
    probabilities over the image's pixels; so that the three sum to 1, to the object's share of the
    image and to the map's mean. ``found`` is the share of pixels of 0.5 and above.
    """

    pixels: Bins
    probability: Bins
    object: Bins
    found: float


def of_levels(inside: Whole, outside: Whole) -> Reliability:
    """Of a map, by its pixels on the object and on its ground at each of its levels.

    Args:
        inside: int64 ``[levels]``, the first for 0, the last for 1; 256 or 65536 of them.
        outside: likewise.
    """
    every, top = inside + outside, len(inside) - 1
    n = int(every.sum())
    first = np.arange(0, top, top // BINS)
    pixels, total, objects = (
        np.add.reduceat(counts, first) for counts in (every, every * np.arange(top + 1), inside)
    )
    found = int(every[(top + 1) // 2 :].sum())
    return Reliability(pixels / n, total / (top * n), objects / n, found / n)


def of_floats(
    value: Floats, mask: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_] | None = None
) -> Reliability:
    """Of a map of floats in [0, 1], rounded to 16 bits: one count of levels then does for all.

    Args:
        value: float32 or float64 ``[H, W]``.
        mask: bool ``[H, W]``.
        known: bool ``[H, W]``, the pixels that count; None: all.
    """
    every, inside = np.zeros((2, _TOP + 1), dtype=np.int64)
    flat, objects = value.reshape(-1), mask.reshape(-1)
    counted = None if known is None else known.reshape(-1)
    for first in range(0, flat.size, _CHUNK):
        part = slice(first, first + _CHUNK)
        scaled = flat[part] * _TOP
        scaled += scaled.dtype.type(0.5)
        levels = scaled.astype(np.intp)
        every += _counts(levels if counted is None else levels[counted[part]])
        inside += _counts(levels[objects[part]])
    return of_levels(inside, every - inside)


def _counts(levels: npt.NDArray[np.intp]) -> Whole:
    return np.bincount(levels, minlength=_TOP + 1)


def calibration_error(
    probability: npt.NDArray[np.float64], objects: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The ECE of a set from its ``bin_probability`` and ``bin_object``, along the last axis.

    Weighted with the share of pixels in the bin, the gap between the bin's mean probability and its
    share of object is the gap between these two.
    """
    return np.asarray(abs(probability - objects).sum(axis=-1))
