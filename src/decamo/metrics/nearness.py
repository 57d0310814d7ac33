"""What lies near the object: its box, how far it is along columns, and its rim."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Box", "along_columns", "box_of", "fill_rim"]

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
