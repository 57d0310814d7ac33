"""The regions of a mask, and their outlines as polygons that can be filled again.

Outlines run along the edges of pixels, and a quarter of a pixel within them where others fill
them: pycocotools, which takes pixels whose centres are inside, and OpenCV and Pillow, which cut
corners to whole pixels and fill the line too, then give back the same mask. Thinned out they are
what a person can correct by hand.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ring", "components_of", "inset", "joined_rings", "rings_of", "thinned"]

Ring = list[tuple[float, float]]
"""Corners of a closed line, x and y in px, the last not repeated."""

_Step = tuple[int, int]
_INSET = 0.25  # px; OpenCV and Pillow want more than none, pixel centres less than a half


def components_of(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The 8-connected regions of a mask, bool ``[H, W]`` each, in order of their first pixel."""
    padded = np.pad(mask, ((0, 0), (1, 1))).astype(np.int8)
    rows, begins = np.nonzero(np.diff(padded, axis=1) == 1)
    _, ends = np.nonzero(np.diff(padded, axis=1) == -1)
    root = list(range(len(rows)))

    def find(at: int) -> int:
        while root[at] != at:
            root[at] = root[root[at]]
            at = root[at]
        return at

    first = np.searchsorted(rows, np.arange(mask.shape[0] + 1))
    for row in range(1, mask.shape[0]):
        above, own = first[row - 1], first[row]
        while above < first[row] and own < first[row + 1]:
            if begins[above] <= ends[own] and begins[own] <= ends[above]:  # corners touch
                left, right = sorted((find(above), find(own)))
                root[right] = left
            if ends[above] < ends[own]:
                above += 1
            else:
                own += 1
    regions: dict[int, NDArray[np.bool_]] = {}
    for at, (row, begin, end) in enumerate(zip(rows, begins, ends, strict=True)):
        region = regions.setdefault(find(at), np.zeros_like(mask))
        region[row, begin:end] = True
    return list(regions.values())


def rings_of(mask: NDArray[np.bool_]) -> tuple[list[Ring], list[Ring]]:
    """The outlines of a mask, and those of its holes.

    All of them filled by the even-odd rule are the mask.

    Args:
        mask: bool ``[H, W]``.
    """
    steps = _steps(mask)
    outer: list[Ring] = []
    holes: list[Ring] = []
    while steps:
        ring = _follow(steps, next(iter(steps)))
        (outer if _area(ring) > 0 else holes).append([(x, y) for x, y in ring])
    return outer, holes


def inset(ring: Ring, *, outwards: bool = False) -> Ring:
    """A ring a quarter of a pixel within the object, or the other way.

    Args:
        ring: of :func:`rings_of`, along the edges of pixels, the object on its right.
        outwards: away from the object: where a hole is a shape of its own.
    """
    by = -_INSET if outwards else _INSET
    corners = np.array(ring)
    came = np.sign(corners - np.roll(corners, 1, axis=0))
    right = (came + np.roll(came, -1, axis=0))[:, ::-1] * (-by, by)
    return [(x, y) for x, y in (corners + right).tolist()]


def joined_rings(outer: Ring, holes: list[Ring]) -> Ring:
    """One ring of an outline and its holes, tied by lines that are walked to and fro.

    By the even-odd rule, which pycocotools and OpenCV fill by, such lines enclose nothing.
    """
    ring = list(outer)
    for hole in holes:
        ours, theirs = np.array(ring), np.array(hole)
        apart = np.abs(ours[:, None] - theirs[None]).sum(axis=-1)
        at, to = np.unravel_index(int(apart.argmin()), apart.shape)
        ring = ring[: at + 1] + hole[to:] + hole[: to + 1] + ring[at:]
    return ring


def thinned(ring: Ring, tolerance: float) -> Ring:
    """A ring without corners that lie within a tolerance, in px, of the line without them.

    Douglas and Peucker (1973), from two corners that are far apart; three are left at least.
    """
    if tolerance <= 0 or len(ring) < 4:
        return ring
    corners = np.array(ring, dtype=np.float64)
    far = int(((corners - corners[0]) ** 2).sum(axis=1).argmax())
    closed = np.concatenate([corners, corners[:1]])
    keep = {0, far}
    todo = [(0, far), (far, len(ring))]
    while todo:
        begin, end = todo.pop()
        if end - begin < 2:
            continue
        apart = _distances(closed[begin + 1 : end], closed[begin], closed[end])
        at = int(apart.argmax())
        if apart[at] > tolerance:
            middle = begin + 1 + at
            keep.add(middle)
            todo += [(begin, middle), (middle, end)]
    return [ring[at] for at in sorted(keep)] if len(keep) > 2 else ring


def _distances(
    points: NDArray[np.float64], one: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of points ``[N, 2]`` to the line through two others, or to one that both are."""
    along = other - one
    length = float(np.hypot(*along))
    if not length:
        return np.hypot(*(points - one).T)
    across = (points - one) @ np.array([-along[1], along[0]])
    return np.asarray(np.abs(across) / length)


def _steps(mask: NDArray[np.bool_]) -> dict[tuple[int, int], list[_Step]]:
    """Corner -> steps along edges of pixels from there, the object on their right."""
    p = np.pad(mask, 1)
    steps: dict[tuple[int, int], list[_Step]] = defaultdict(list)
    down, across = p[:, 1:-1], p[1:-1]
    kinds = [
        (down[1:] & ~down[:-1], (0, 0), (1, 0)),
        (down[:-1] & ~down[1:], (1, 0), (-1, 0)),
        (across[:, 1:] & ~across[:, :-1], (0, 1), (0, -1)),
        (across[:, :-1] & ~across[:, 1:], (0, 0), (0, 1)),
    ]
    for edges, (right, lower), step in kinds:
        for y, x in np.argwhere(edges).tolist():
            steps[x + right, y + lower].append(step)
    return steps


def _follow(
    steps: dict[tuple[int, int], list[_Step]], start: tuple[int, int]
) -> list[tuple[int, int]]:
    """Walk from a corner until it is reached again, taking the steps away."""
    ring: list[tuple[int, int]] = []
    at, heading = start, (0, 0)
    while at in steps:
        ways = steps[at]
        # where two regions touch by a corner turn left: both are one
        left = (heading[1], -heading[0])
        step = left if left in ways else ways[0]
        ways.remove(step)
        if not ways:
            del steps[at]
        if step != heading:
            ring.append(at)
        at, heading = (at[0] + step[0], at[1] + step[1]), step
    before, behind = ring[-1], ring[1]
    if ring[0][0] == before[0] == behind[0] or ring[0][1] == before[1] == behind[1]:
        ring.pop(0)  # it began in the middle of a side
    return ring


def _area(ring: Sequence[tuple[float, float]]) -> float:
    """Positive where the object lies within."""
    corners = np.array(ring)
    x, y = corners.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2
