"""How near each ground pixel is to the object, exactly, as far as anything depends on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["REACH", "Box", "box_of", "distances", "fill_rim"]

REACH = 105  # pixels; leaving out all weights beyond it changes F by 2 ** (-105 / 5) / 8 = 6e-8
BEYOND = 191  # stands for "farther than REACH"; BEYOND + 64 still fits uint8
FAR = 219  # stands for it, too; FAR ** 2 + REACH ** 2 still fits uint16
STRIP = 32_000  # pixels handled at once, so that the work stays in the cache
STAGE = 16  # offsets tried between two looks at which pixels still wait
FEW = 2  # offsets for each pixel of a stage's window: with fewer, pixels are tried one by one
RIM = 3  # pixels around the object

Binary = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Squares = npt.NDArray[np.uint16]

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


def box_of(mask: Binary) -> Box | None:
    """The box of a bool ``[H, W]`` mask; None where it is empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    return Box(top, bottom, int(columns[0]), int(columns[-1]) + 1)


def fill_rim(values: npt.NDArray[np.float64], mask: Binary, inside: Binary) -> None:
    """Give pixels within 3 of the object, by chessboard distance, their nearest object pixel's.

    Args:
        values: float64 ``[H, W]``, changed in place.
        mask: bool ``[H, W]``, the object; nothing of it within 7 pixels of the edge.
        inside: bool ``[H, W]``, the pixels that may be filled.
    """
    along = _along_columns(mask, RIM + 1)
    rim = along <= RIM
    for step in (1, 2):
        rim = _widen(rim, step)
    flat, objects, width = values.reshape(-1), mask.reshape(-1), mask.shape[1]
    waiting = np.flatnonzero((rim > mask) & inside)
    rank = np.minimum(along, 2 * RIM).astype(np.uint16)
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


def distances(
    mask: Binary, box: Box, wanted: Binary
) -> Iterator[tuple[tuple[slice, slice], Binary, Squares]]:
    """Squared Euclidean distances to the object, strip by strip, where they are wanted.

    Args:
        mask: bool ``[H, W]``, the object.
        box: its box.
        wanted: bool ``[H, W]``, ground pixels.

    Yields:
        A window of the image, which of its pixels are wanted, and the uint16 squares of those,
        in order; squares above ``REACH ** 2`` are as good as infinite. Wanted pixels in no window
        are farther than ``REACH``. Windows do not overlap.

    The distances along columns come first; the lower envelope over columns is then taken by
    trying column offsets as far as the farthest wanted pixel of the strip needs.
    """
    top, left = max(box.top - REACH, 0), max(box.left - REACH, 0)
    near = box_of(wanted[top : box.bottom + REACH, left : box.right + REACH])
    if near is None:
        return
    along = _along_columns(mask[box.top : box.bottom, box.left : box.right], REACH)
    columns = slice(left + near.left, left + near.right)
    height = max(1, STRIP // (near.right - near.left))
    for start in range(top + near.top, top + near.bottom, height):
        window = (slice(start, min(start + height, top + near.bottom)), columns)
        want = wanted[window]
        if want.any():
            strip = Strip(_squares(along, box, window[0]), box.left - columns.start)
            yield window, want, _envelope(strip, want)[want]


def _along_columns(mask: Binary, reach: int) -> Bytes:
    """Distances to the object along columns, right up to ``reach``, which they exceed elsewhere."""
    distance = np.logical_not(mask).view(np.uint8)
    distance *= np.uint8(BEYOND)
    step = 1
    while step <= min(reach, len(mask) - 1):  # by doubling: 1 + 2 + ... + 64 is enough
        np.minimum(distance[step:], distance[:-step] + np.uint8(step), out=distance[step:])
        np.minimum(distance[:-step], distance[step:] + np.uint8(step), out=distance[:-step])
        step *= 2
    return distance


def _squares(along: Bytes, box: Box, rows: slice) -> Squares:
    """Squared distances along the box's columns, for some rows of the image."""
    here = np.arange(rows.start, rows.stop)
    inner = np.clip(here, box.top, box.bottom - 1)
    gap = np.minimum(abs(here - inner), REACH).astype(np.uint16)
    squares = along[inner - box.top] + gap[:, None]
    np.minimum(squares, FAR, out=squares)
    squares *= squares
    return squares


class Line(NamedTuple):
    """Rows one after the other, ``reach`` far pixels before, between and after them.

    So one shift along the line serves all rows, at the full speed of the machine. A row and its
    pad are ``width`` long; its pixel ``lead`` is the first of those asked about.
    """

    squares: Squares
    reach: int
    width: int
    lead: int


@dataclass(frozen=True)
class Strip:
    """Squared distances along the box's columns, the first of which is ``left``.

    Columns count from the first of those asked about.
    """

    squares: Squares
    left: int

    @property
    def right(self) -> int:
        """The column after the box's last."""
        return self.left + self.squares.shape[1]

    def line(self, rows: slice, columns: slice, reach: int) -> Line:
        """Some rows, with all columns of the box within ``reach`` of those given."""
        low, high = max(self.left, columns.start - reach), min(self.right, columns.stop + reach)
        first, last = columns.start, columns.stop
        if low < high:
            first, last = min(first, low), max(last, high)
        height, width = rows.stop - rows.start, last - first + reach
        squares = np.full(height * width + 2 * reach, FAR**2, dtype=np.uint16)
        if low < high:
            table = squares[reach : reach + height * width].reshape(height, width)
            part = self.squares[rows, low - self.left : high - self.left]
            table[:, low - first : high - first] = part
        return Line(squares, reach, width, columns.start - first)


def _envelope(strip: Strip, want: Binary) -> Squares:
    """Least of ``squares[x'] + (x - x') ** 2`` over the box's columns ``x'``, where wanted.

    Offsets are tried in stages, each only where a greater offset may still help.
    """
    n = want.shape[1]
    best = np.full(want.shape, FAR**2, dtype=np.uint16)
    low, high = max(strip.left, 0), min(strip.right, n)
    if low < high:
        best[:, low:high] = strip.squares[:, low - strip.left : high - strip.left]
    floor = strip.squares.min(axis=1)[:, None]
    done = max(0, strip.left - n, -strip.right)  # lesser offsets do not reach the box
    while True:
        slack = (best - floor) * want
        bound = min(REACH, isqrt(int(slack.max())))
        part = box_of(slack > done**2)
        if done >= bound or part is None:
            return best
        rows, columns = slice(part.top, part.bottom), slice(part.left, part.right)
        waiting = slack[rows, columns] > done**2
        here = best[rows, columns]
        if np.count_nonzero(waiting) * bound <= FEW * waiting.size:
            here[waiting] = _least_at(strip.line(rows, columns, bound), *np.nonzero(waiting))
            return best
        stop = min(done + STAGE, bound)
        line = strip.line(rows, columns, stop)
        least = _least(line, done + 1)[:, line.lead : line.lead + waiting.shape[1]]
        np.minimum(here, least, out=here)
        done = stop


def _least(line: Line, least_offset: int) -> Squares:
    """The envelope over offsets from ``least_offset`` to the line's reach, uint16 ``[H, width]``.

    From the greatest offset down, adding the difference of two squares at each step.
    """
    squares, reach = line.squares, line.reach
    n = len(squares) - 2 * reach
    least = np.minimum(squares[:n], squares[2 * reach :])
    for k in range(reach - 1, least_offset - 1, -1):
        least += np.uint16(2 * k + 1)
        np.minimum(least, squares[reach - k : reach - k + n], out=least)
        np.minimum(least, squares[reach + k : reach + k + n], out=least)
    least += np.uint16(least_offset**2)
    return least.reshape(-1, line.width)


def _least_at(line: Line, row: npt.NDArray[np.intp], column: npt.NDArray[np.intp]) -> Squares:
    """The envelope at single pixels, over all offsets up to the line's reach at once."""
    offsets = np.arange(-line.reach, line.reach + 1)
    windows = sliding_window_view(line.squares, len(offsets))
    squares = windows[row * line.width + line.lead + column]
    squares += (offsets**2).astype(np.uint16)
    return np.asarray(squares.min(axis=1))
