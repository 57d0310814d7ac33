"""Squared distances to the object, exactly, as far as anything depends on them.

The distances along columns come first. In each row they are heights of parabolas, one a column,
whose lower envelope is the squared distance (Felzenszwalb and Huttenlocher, "Distance transforms
of sampled functions", 2012). There it is found by a scan; here, for the whole image at once, by
dropping what lies above a chord until nothing does.
"""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.metrics.nearness import Box, along_columns, box_of

__all__ = ["REACH", "distances"]

REACH = 105  # pixels; leaving out all weights beyond it changes F by 2 ** (-105 / 5) / 8 = 6e-8
FAR = 150  # stands for "farther than REACH"; squared, twice it and some more still fit uint16
SPANS = (1, 2, 4, 8, 16)  # half the chords tried on all columns; all lengths are, on what remains
STRIP = 128_000  # pixels handled at once, so that the work stays in the cache

Binary = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.intp]
Reals = npt.NDArray[np.float64]
Squares = npt.NDArray[np.float32]


def distances(
    mask: Binary, box: Box, wanted: npt.NDArray[Any]
) -> Iterator[tuple[tuple[slice, slice], Squares]]:
    """Squared Euclidean distances to the object, strip by strip, around where they are wanted.

    Args:
        mask: bool ``[H, W]``, the object.
        box: its box.
        wanted: ``[H, W]`` of any type, not zero on the ground pixels asked about.

    Yields:
        A window of the image, and float32 ``[h, w]`` of it, whole numbers; those above
        ``REACH ** 2`` are as good as infinite, and those on the object mean nothing. Wanted pixels
        in no window are farther than ``REACH``. Windows do not overlap.
    """
    near = _within(wanted, box)
    if near is None:
        return
    box = Box(
        *_limits(box.top, box.bottom, near.top, near.bottom),
        *_limits(box.left, box.right, near.left, near.right),
    )
    along = _padded(mask[box.top : box.bottom, box.left : box.right])
    first, last = min(box.left, near.left), max(box.right, near.right)
    # A row's pixels are farther than the reach from the object in the rows before and after it.
    width = last - first + max(0, REACH - min(box.left - first, last - box.right))
    height = max(1, STRIP // width)
    for top in range(near.top, near.bottom, height):
        here = np.arange(top, min(top + height, near.bottom))
        inner = np.minimum(np.maximum(here, box.top), box.bottom - 1)
        away = along[inner - box.top] + abs(here - inner).astype(np.uint8)[:, None]
        site = _undominated(away.reshape(-1))
        if not site.size:
            continue
        column = site + site // along.shape[1] * (width - along.shape[1]) + (box.left - first)
        squares = _envelope(column, away.reshape(-1)[site], (len(here), width))
        window = (slice(top, top + len(here)), slice(near.left, near.right))
        yield window, squares[:, near.left - first : near.right - first]


def _within(wanted: npt.NDArray[Any], box: Box) -> Box | None:
    """The box of what is wanted within reach of the object's box."""
    top, left = max(box.top - REACH, 0), max(box.left - REACH, 0)
    near = box_of(wanted[top : box.bottom + REACH, left : box.right + REACH])
    if near is None:
        return None
    return Box(near.top + top, near.bottom + top, near.left + left, near.right + left)


def _limits(first: int, last: int, near_first: int, near_last: int) -> tuple[int, int]:
    """What of a range lies within reach of another."""
    return max(first, near_first - REACH), min(last, near_last + REACH)


def _padded(mask: Binary) -> Bytes:
    """Distances to the object along columns, with far pixels right of each row.

    So one shift along the line of all rows serves all, at the full speed of the machine.
    """
    height, width = mask.shape
    along = np.full((height, width + SPANS[-1]), FAR, dtype=np.uint8)
    along[:, :width] = along_columns(mask, REACH, FAR)
    return along


def _undominated(away: Bytes) -> Indices:
    """Pixels of a line which may be nearest to some pixel of the ground, given their distances.

    A parabola above a chord of two others at equal distance is nowhere the lowest.
    """
    away = np.minimum(away, FAR)
    keep = away <= REACH
    keep[1:-1] &= (away[:-2] | away[2:]) > 0  # within the object
    squares = away.astype(np.uint16)
    squares *= squares
    twice = squares + squares
    for span in SPANS:
        chord = squares[: -2 * span] + squares[2 * span :]
        chord += np.uint16(2 * span**2)
        keep[span:-span] &= twice[span:-span] < chord
    return np.flatnonzero(keep)


def _envelope(column: Indices, away: Bytes, shape: tuple[int, int]) -> Squares:
    """Least of ``away ** 2 + (x - column) ** 2`` along the line of all rows, float32 ``[H, W]``."""
    point = np.empty(len(column), dtype=np.complex128)  # one array moves faster than two
    point.real, point.imag = column, away
    point.imag *= point.imag
    point.imag += point.real**2  # so that parabolas become lines, and what is above chords drops
    for span in chain((8, 4, 2), repeat(1)):
        rise = point[span:] - point[:-span]
        slope = rise.imag / rise.real
        live = np.ones(len(point), dtype=np.bool_)
        np.greater(slope[span:], slope[:-span], out=live[span:-span])
        if span == 1 and live.all():
            break
        point = point[live]
    # Each is the lowest between half the slopes on its sides.
    ends = np.zeros(len(point) + 1, dtype=np.intp)
    ends[-1] = shape[0] * shape[1]
    ends[1:-1] = np.minimum(np.maximum(np.ceil(slope / 2), 0), ends[-1])
    counts = ends[1:] - ends[:-1]
    least = np.repeat(point.real.astype(np.float32), counts)
    least -= np.arange(ends[-1], dtype=np.float32)  # exact up to 2 ** 24
    least *= least
    square = point.imag - point.real**2
    least += np.repeat(square.astype(np.float32), counts)
    return least.reshape(shape)
