"""Offsets to the nearest object pixels, exactly, as far as anything depends on them.

The distances along columns come first. In each row they are heights of parabolas, one a column,
whose lower envelope is the squared distance (Felzenszwalb and Huttenlocher, "Distance transforms
of sampled functions", 2012). There it is found by a scan; here, for all rows at once: most of what
lies above a chord is dropped, and the rest is on a convex hull or not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "REACH",
    "SQUARES",
    "Box",
    "along_columns",
    "box_of",
    "distances",
    "fill_rim",
    "lower_hull",
]

Indices = npt.NDArray[np.intp]
Reals = npt.NDArray[np.float64]


# Where two arcs meet, chords of neighbours take one point off either in a pass, those of points
# some places apart several: 8 passes instead of 20. In later passes neighbours are enough.
_CHORDS = ((3,), (3, 8), (3, 8))


def lower_hull(x: Reals, y: Reals) -> tuple[Indices, Reals]:
    """Corners of the greatest convex function that lies nowhere above the points.

    Args:
        x: float64 ``[N]``, rising; N at least 1.
        y: float64 ``[N]``.

    Returns:
        Which points are corners, intp ``[K]``, rising; and the slopes from one to the next,
        float64 ``[K - 1]``, rising, rounded. A point on the line between two others is no corner.
    """
    # SciPy's isotonic_regression finds the same by pooling slopes, but takes 0.8 s to load in each
    # process that scores, and is not there where maps are only scored; a loop in Python takes many
    # times as long as this. What lies on or above the chord of its neighbours is no corner even if
    # a neighbour is none either, so that all such points go at once. Slopes are compared rounded: a
    # parabola that is the only lowest one at a pixel lies below each chord by 1 or more, which
    # rounding, at most 1e-9 for lines of a million pixels, cannot hide.
    corner, spans = np.arange(len(x)), iter(_CHORDS)
    while True:
        slope = (y[1:] - y[:-1]) / (x[1:] - x[:-1])
        convex = slope[:-1] < slope[1:]
        for span in next(spans, ()):
            if len(x) > 2 * span:
                chord = (y[span:] - y[:-span]) / (x[span:] - x[:-span])
                convex[: 1 - span or None] &= slope[:-span] < chord[1:]
                convex[span - 1 :] &= chord[:-1] < slope[span:]
        inner = np.flatnonzero(convex)
        if len(inner) == len(convex):
            return corner, slope
        kept = np.concatenate(([0], inner + 1, [len(x) - 1]))
        corner, x, y = corner.take(kept), x.take(kept), y.take(kept)


RIM = 3  # pixels around the object

Binary = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

# Columns in which a rim pixel's nearest object pixel can lie, and what each adds to a rank: nine
# times the squared distance, and the column's number, for ties.
_SIDE = np.arange(-4, 5)
_SIDE_RANK = (9 * _SIDE**2 + _SIDE + 4).astype(np.uint16)


@dataclass(frozen=True)
class Box:
    """The least rectangle around an object: rows ``top`` to ``bottom``, the latter outside."""

    top: int
    bottom: int
    left: int
    right: int


def box_of(mask: npt.NDArray[Any]) -> Box | None:
    """The box of what is not 0 in a mask ``[H, W]`` of any type; None where nothing is."""
    height, width = mask.shape
    if mask.size and all(edge.any() for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1])):
        return Box(0, height, 0, width)  # as a grey ground is, at a fourth of the price
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    return Box(top, bottom, int(columns[0]), int(columns[-1]) + 1)


def fill_rim(values: npt.NDArray[Any], mask: Binary, inside: Binary) -> None:
    """Give pixels within 3 of the object, by chessboard distance, their nearest object pixel's.

    Args:
        values: of any type, ``[H, W]``, changed in place.
        mask: bool ``[H, W]``, the object; nothing of it within 7 pixels of the edge.
        inside: bool ``[H, W]``, the pixels that may be filled.
    """
    along = along_columns(mask, RIM + 1, 2 * RIM)
    rim = along <= RIM
    for step in (1, 2):
        rim = _widen(rim, step)
    flat, objects, width = values.reshape(-1), mask.reshape(-1), mask.shape[1]
    waiting = np.flatnonzero((rim > mask) & inside)
    rank = along.astype(np.uint16)
    rank *= 9 * rank
    best = (rank.take(waiting + _SIDE[:, None]) + _SIDE_RANK[:, None]).min(axis=0)
    # Among equally near ones the reference's distance transform takes the leftmost, then the
    # topmost, and scores depend on it.
    column = waiting + _SIDE[best % 9]
    away = along.take(column) * np.intp(width)
    above = column - away
    flat[waiting] = flat[np.where(objects[above], above, column + away)]


def _widen(mask: Binary, step: int) -> Binary:
    """OR with itself ``step`` columns to either side; steps 1 and 2 in turn make 3."""
    wide = mask.copy()
    wide[:, :-step] |= mask[:, step:]
    wide[:, step:] |= mask[:, :-step]
    return wide


def along_columns(mask: Binary, reach: int, far: int) -> Bytes:
    """Distances to the object along columns, up to ``reach``; beyond it from ``reach`` to ``far``.

    Args:
        mask: bool ``[H, W]``, the object.
        reach: pixels, below 128.
        far: more than ``reach``, at most 191.
    """
    distance = np.logical_not(mask).view(np.uint8)
    distance *= np.uint8(far)
    step = 1
    while step <= min(reach, len(mask) - 1):  # by doubling: 1 + 2 + ... + 64 is enough
        np.minimum(distance[step:], distance[:-step] + np.uint8(step), out=distance[step:])
        np.minimum(distance[:-step], distance[step:] + np.uint8(step), out=distance[:-step])
        step *= 2
    return distance


REACH = 105  # pixels; leaving out all weights beyond it changes F by 2 ** (-105 / 5) / 8 = 6e-8
FAR = 150  # stands for "farther than REACH"; squared, twice it and some more still fit uint16
SPANS = (1, 2, 4, 8, 16)  # half the chords tried on all columns; a hull is made of what remains
STRIP = 150_000  # pixels handled at once: 384 x 384; many more would not stay in the cache
WIDE = 1024  # columns handled at once; as many as an offset may have


# Squared distances of all offsets that can occur, row by row: down 0 to REACH, across as far as a
# strip and its reach are wide. The last, for rows without an object, is farther than any.
HALF = WIDE + REACH
SIDE = 2 * HALF + 1
SQUARES = np.append(
    np.add.outer(np.arange(REACH + 1) ** 2, np.arange(-HALF, HALF + 1) ** 2),
    np.full(WIDE, 2 * FAR**2),
)
BEYOND = len(SQUARES) - WIDE  # the first of those that stand for "farther than REACH"


@dataclass(frozen=True)
class Strip:
    """Some rows of a window, and of the columns of the object that may be nearest to its pixels.

    The window's first column is ``left`` columns right of the object's first.
    """

    height: int
    width: int
    left: int
    columns: int

    @property
    def stride(self) -> int:
        """From row to row on one line of all; all pixels of other rows are beyond reach there."""
        return self.columns + self.width + abs(self.left) + REACH


def distances(
    mask: Binary, box: Box, wanted: npt.NDArray[Any]
) -> Iterator[tuple[tuple[slice, slice], Indices]]:
    """Offsets to the nearest object pixels, strip by strip, around where they are wanted.

    Args:
        mask: bool ``[H, W]``, the object.
        box: its box.
        wanted: ``[H, W]`` of any type, not zero on the ground pixels asked about.

    Yields:
        A window of the image, and intp ``[h, w]`` of it: places in :data:`SQUARES`, which tell how
        far the object is, exactly where it is within ``REACH``. Those on the object mean nothing.
        Wanted pixels in no window are farther than ``REACH``. Windows do not overlap.
    """
    near = _within(wanted, box)
    if near is None:
        return
    for left in range(near.left, near.right, WIDE):
        part = Box(near.top, near.bottom, left, min(left + WIDE, near.right))
        yield from _distances_in(part, mask, box)


def _distances_in(
    near: Box, mask: Binary, box: Box
) -> Iterator[tuple[tuple[slice, slice], Indices]]:
    box = Box(
        *_limits(box.top, box.bottom, near.top, near.bottom),
        *_limits(box.left, box.right, near.left, near.right),
    )
    along = _padded(mask[box.top : box.bottom, box.left : box.right])
    width = near.right - near.left
    height = max(1, STRIP // width)
    for top in range(near.top, near.bottom, height):
        here = np.arange(top, min(top + height, near.bottom))
        inner = np.minimum(np.maximum(here, box.top), box.bottom - 1)
        away = along[inner - box.top] + abs(here - inner).astype(np.uint8)[:, None]
        site = _undominated(away.reshape(-1))
        if site.size:
            strip = Strip(len(here), width, near.left - box.left, along.shape[1])
            window = (slice(top, top + len(here)), slice(near.left, near.right))
            yield window, _offsets(site, away.reshape(-1)[site], strip)


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


def _offsets(site: Indices, away: Bytes, strip: Strip) -> Indices:
    """From each pixel to the lowest of the parabolas, places in :data:`SQUARES`, ``[h, w]``."""
    row = site // strip.columns
    x = (site + row * (strip.stride - strip.columns)).astype(np.float64)
    # With x ** 2 added, parabolas are lines, the lowest of which are corners of a hull.
    corner, slope = lower_hull(x, away.astype(np.float64) ** 2 + x**2)
    row, x, away = row[corner], x[corner], away[corner]
    begin = row * strip.stride + strip.left  # the row's first pixel, on the line
    # the first pixel, in its row, that is nearer to this one than to the one before
    first = np.zeros(len(x), dtype=np.intp)
    first[1:] = np.minimum(np.maximum(np.ceil(slope / 2) - begin[1:], 0), strip.width)
    fresh = np.flatnonzero(row[1:] != row[:-1]) + 1
    first[fresh] = 0
    place = away * np.intp(SIDE) + HALF - (x - begin).astype(np.intp)
    first += row * strip.width
    if len(fresh) < strip.height - 1:  # rows without any
        empty = np.setdiff1d(np.arange(strip.height), row)
        first = np.append(first, empty * strip.width)
        order = np.argsort(first, kind="stable")
        first, place = first[order], np.append(place, np.full(len(empty), BEYOND))[order]
    first[0] = 0
    runs = np.diff(first, append=strip.height * strip.width)
    offsets = np.repeat(place, runs).reshape(strip.height, strip.width)
    offsets += np.arange(strip.width)
    return offsets
