"""How near each ground pixel is to the object, exactly, as far as anything depends on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["REACH", "Box", "box_of", "distances", "fill_rim"]

REACH = 128  # pixels; beyond it a weight of 2 ** (-d / 5) is below 2e-8
FAR = 48_000  # stands for "farther than REACH"; FAR + REACH ** 2 still fits uint16
TILE = (96, 256)  # rows and columns handled at once, so that the work stays in the cache
FEW = 1000  # pixels of a tile, for which trying offsets pixel by pixel is the faster way
RIM = 3  # pixels around the object

Binary = npt.NDArray[np.bool_]
Squares = npt.NDArray[np.uint16]
Rows = npt.NDArray[np.int16] | npt.NDArray[np.int32]

# Where the nearest object pixel of a rim pixel can lie, nearest first. Among equally near ones the
# reference's distance transform takes the leftmost, then the topmost, and scores depend on it.
_OFFSETS = np.array(
    sorted(
        ((dy, dx) for dy in range(-4, 5) for dx in range(-4, 5) if 0 < dy**2 + dx**2 <= 2 * RIM**2),
        key=lambda o: (o[0] ** 2 + o[1] ** 2, o[1], o[0]),
    )
)
EAGER = 12  # offsets tried one by one, which settle most pixels; the rest are tried at once


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
    columns = np.flatnonzero(mask.any(axis=0))
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def fill_rim(values: npt.NDArray[np.float64], mask: Binary, inside: Binary) -> None:
    """Give pixels within 3 of the object, by chessboard distance, their nearest object pixel's.

    Args:
        values: float64 ``[H, W]``, changed in place.
        mask: bool ``[H, W]``, the object; nothing of it within 7 pixels of the edge.
        inside: bool ``[H, W]``, the pixels that may be filled.
    """
    rim = mask
    for axis in (0, 1):
        for step in (1, 2):
            rim = _widen(rim, step, axis)
    width = mask.shape[1]
    waiting = np.flatnonzero(rim & inside & ~mask)
    flat, objects = values.reshape(-1), mask.reshape(-1)
    offsets = _OFFSETS[:, 0] * width + _OFFSETS[:, 1]
    for offset in offsets[:EAGER].tolist():
        hit = objects[waiting + offset]
        filled = waiting[hit]
        flat[filled] = flat[filled + offset]
        waiting = waiting[~hit]
    nearest = offsets[EAGER:][objects[waiting[:, None] + offsets[EAGER:]].argmax(axis=1)]
    flat[waiting] = flat[waiting + nearest]


def _widen(mask: Binary, step: int, axis: int) -> Binary:
    """OR with itself ``step`` pixels to either side; steps 1 and 2 in turn make 3."""
    wide = mask.copy()
    low, high = [slice(None)] * 2, [slice(None)] * 2
    low[axis], high[axis] = slice(None, -step), slice(step, None)
    wide[tuple(low)] |= mask[tuple(high)]
    wide[tuple(high)] |= mask[tuple(low)]
    return wide


def distances(
    mask: Binary, box: Box, wanted: Binary
) -> Iterator[tuple[tuple[slice, slice], Binary, Squares]]:
    """Squared Euclidean distances to the object, tile by tile, where they are wanted.

    Args:
        mask: bool ``[H, W]``, the object.
        box: its box.
        wanted: bool ``[H, W]``, ground pixels.

    Yields:
        A window of the image, which of its pixels are wanted, and the uint16 squares of those,
        in order; squares above ``REACH ** 2`` are as good as infinite. Wanted pixels in no window
        are farther than ``REACH``. Windows do not overlap.

    The distances along columns come first; the lower envelope over columns is then taken by
    trying all column offsets as far as the farthest wanted pixel of the strip needs.
    """
    height, width = mask.shape
    above, below = _last_and_next(mask[box.top : box.bottom, box.left : box.right], box.top, height)
    frame = np.empty((TILE[0], TILE[1] + 2 * REACH), dtype=np.uint16)
    first, last = max(box.top - REACH, 0), min(box.bottom + REACH, height)
    near = slice(max(box.left - REACH, 0), min(box.right + REACH, width))
    for start in range(first, last, TILE[0]):
        rows = slice(start, min(start + TILE[0], last))
        columns = np.flatnonzero(wanted[rows, near].any(axis=0))
        if not columns.size:
            continue
        left, end = near.start + int(columns[0]), near.start + int(columns[-1]) + 1
        vertical = _vertical(above, below, box, rows)
        while left < end:
            window = (rows, slice(left, min(left + TILE[1], end)))
            want = wanted[window]
            if want.any():
                yield window, want, _envelope(vertical, box, window[1], want, frame)[want]
            left += TILE[1]


def _vertical(above: Rows, below: Rows, box: Box, rows: slice) -> Squares:
    """Squared distances along the box's columns, for some rows of the image."""
    here = np.arange(rows.start, rows.stop, dtype=above.dtype)[:, None]
    inner = np.clip(here[:, 0], box.top, box.bottom - 1) - box.top
    distance = np.minimum(abs(here - above[inner]), abs(below[inner] - here))
    np.minimum(distance, REACH + 1, out=distance)
    squares = distance.astype(np.uint16)
    squares *= squares
    squares[squares > REACH**2] = FAR
    return squares


def _last_and_next(mask: Binary, top: int, height: int) -> tuple[Rows, Rows]:
    """For each pixel the rows of the nearest object pixels above and below, itself among them.

    ``mask`` begins at row ``top`` of an image of ``height`` rows. Where there is none, the row is
    far outside the image.
    """
    small = height < 10_000
    kind, away = (np.int16, 10_000) if small else (np.int32, 1 << 29)  # differences must fit
    rows = np.arange(top, top + len(mask), dtype=kind)[:, None]
    above: Rows = np.where(mask, rows, kind(-away))
    below: Rows = np.where(mask, rows, kind(2 * away))
    step = 1
    while step <= REACH:  # by doubling; rows farther than that do not matter
        np.maximum(above[step:], above[:-step], out=above[step:])
        np.minimum(below[:-step], below[step:], out=below[:-step])
        step *= 2
    return above, below


def _envelope(vertical: Squares, box: Box, columns: slice, want: Binary, frame: Squares) -> Squares:
    """Least of ``vertical[x'] + (x - x') ** 2`` over the box, for some columns of the image.

    ``frame`` is scratch, given because fresh memory costs more than the work done in it.
    """
    left, n = columns.start, columns.stop - columns.start
    # A frame wide enough for every offset; the box's columns that it has lie at their place.
    source = frame[: len(vertical), : n + 2 * REACH]
    source.fill(FAR)
    low, high = max(box.left, left - REACH), min(box.right, columns.stop + REACH)
    if low < high:
        source[:, low - left + REACH : high - left + REACH] = vertical[
            :, low - box.left : high - box.left
        ]
    best = source[:, REACH : REACH + n].copy()
    trial = np.empty_like(best)
    done = max(0, box.left - columns.stop, left - box.right)  # lesser offsets do not reach the box
    while True:
        np.multiply(best, want, out=trial)
        bound = min(REACH, isqrt(int(trial.max())))
        if done >= bound:
            return best
        waiting = trial > done**2
        if np.count_nonzero(waiting) <= FEW:
            row, column = np.divmod(np.flatnonzero(waiting), n)
            best[row, column] = _least(source, row, column + REACH, bound)
            return best
        for k in range(done + 1, min(done + 8, bound) + 1):
            np.minimum(
                source[:, REACH - k : REACH - k + n],
                source[:, REACH + k : REACH + k + n],
                out=trial,
            )
            trial += np.uint16(k * k)
            np.minimum(best, trial, out=best)
        done += 8


def _least(
    source: Squares, row: npt.NDArray[np.intp], column: npt.NDArray[np.intp], bound: int
) -> Squares:
    """The envelope at single pixels, from all offsets up to ``bound`` at once."""
    offsets = np.arange(-bound, bound + 1, dtype=np.int32)
    windows = sliding_window_view(source, len(offsets), axis=1)[row, column - bound]
    windows += (offsets**2).astype(np.uint16)
    return np.asarray(windows.min(axis=1))
