"""One mask -> which values it has, how many pixels of each, and where."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decamo.data.normalize import codes_of, one_colour, plane_of
from decamo.data.rules import MaskMeaning, Plane, label_codes, nearest_colours

__all__ = ["FEW", "MaskLook", "Value", "look_at_mask"]

FEW = 64  # values up to which each is told; labels of one image are fewer
_BINS = 16
_FULL = 255
_EDGE = 8  # colours that a soft edge has at least
_SOFT = 3.0  # px: blends have shorter runs, in both directions or in one
_GENTLE = 24  # between neighbours in an area of one colour, whatever a codec did to it
_CELL = 32  # of a channel, when colours are counted
_APART = 64  # from which on two colours are no shades of one
_SPOT = 0.0005  # share of the pixels that a colour of its own fills
_COLOURS = 16


@dataclass(frozen=True)
class Value:
    """One value of a mask.

    Attributes:
        code: the value, in its plane.
        count: its pixels.
        thickness: mean length of its unbroken runs along rows or along columns, whichever is
            shorter, px; 0 where nobody asked, since the mask has no third value.
        border: its pixels on the image's four edges, those in corners on two.
        sides: which edges it touches: 1 top, 2 bottom, 4 left, 8 right.
        colour: a palette's colour of this index, packed; -1 elsewhere.
    """

    code: int
    count: int
    thickness: float
    border: int
    sides: int
    colour: int = -1


@dataclass(frozen=True)
class MaskLook:
    """What one look at a mask tells.

    Attributes:
        plane: where this file has its labels, judged by itself.
        lossy: whether its values went through a lossy codec.
        top: full scale of its levels: 255, or 65535 where some value exceeds 255.
        values: each value, where there are at most ``FEW``.
        bins: else the pixels in each sixteenth of the full scale.
        half: pixels at exactly half of the full scale, 128 of 255.
        sides: else the edges that levels of half the greatest and more touch, as in
            :class:`Value`.
        thickness: else of all levels that are neither 0 nor full; as in :class:`Value`.
        palette: whether it has a palette, whose indices its plane may not be.
        cut_out: whether it is a photograph cut out along its alpha.
        wall: of three values the one that stands between the two others, which never touch; else
            none.
        mains: of colours that blend into each other, at soft edges or by a codec, those that fill
            areas; each pixel counts for the nearest.
    """

    plane: Plane
    lossy: bool
    top: int = 255
    values: tuple[Value, ...] = ()
    bins: tuple[int, ...] = ()
    half: int = 0
    sides: int = 0
    thickness: float = 0.0
    palette: bool = False
    cut_out: bool = False
    wall: int | None = None
    mains: tuple[Value, ...] = ()

    @property
    def total(self) -> int:
        """Pixels in all."""
        return sum(v.count for v in self.values) + sum(self.bins)

    @property
    def codes(self) -> frozenset[int]:
        """The values, where they are few."""
        return frozenset(v.code for v in self.values)

    @property
    def blank(self) -> bool:
        """Whether it has a single value."""
        return len(self.values) == 1

    def to_plain(self) -> list[Any]:
        """Plain JSON values, short: a census holds one for each of many thousand masks."""
        values, mains = ([[*vars(v).values()] for v in many] for many in (self.values, self.mains))
        rest = [list(self.bins), self.half, self.sides, self.thickness, self.palette, self.cut_out]
        return [self.plane.value, self.lossy, self.top, values, *rest, self.wall, mains]

    @classmethod
    def from_plain(cls, plain: Any) -> "MaskLook":
        """The inverse of :meth:`to_plain`.

        Raises:
            ValueError, TypeError: no such list.
        """
        plane, lossy, top, values, bins, half, sides, thickness, palette, cut_out, wall, mains = (
            plain
        )
        return cls(
            Plane(plane),
            bool(lossy),
            int(top),
            _values_from(values),
            tuple(int(n) for n in bins),
            int(half),
            int(sides),
            float(thickness),
            bool(palette),
            bool(cut_out),
            None if wall is None else int(wall),
            _values_from(mains),
        )

    def shares(self, meaning: MaskMeaning) -> tuple[int, int] | None:
        """Pixels of the object and of neither; None where only the pixels themselves can tell."""
        same = self.plane is meaning.plane or (self.plane, meaning.plane, self.palette) == (
            Plane.LEVELS,
            Plane.INDEX,
            False,
        )
        if self.bins or not same:
            return None
        labels = label_codes(np.array([v.code for v in self.values], dtype=np.int64), meaning)
        counts = np.array([v.count for v in self.values])
        return int(counts[labels == 1].sum()), int(counts[labels > 1].sum())


def look_at_mask(picture: Image.Image, *, lossy: bool) -> MaskLook:
    """Look at a decoded mask.

    Args:
        picture: its pixels.
        lossy: whether its values went through a lossy codec (JPEG).
    """
    plane = plane_of(picture, lossy=lossy)
    codes = codes_of(picture, plane)
    distinct, counts = _distinct(codes)
    palette = picture.mode == "P"
    cut_out = plane is Plane.ALPHA and not one_colour(picture)
    wide = plane is not Plane.COLOUR and int(distinct[-1]) > 255
    top = 65535 if wide else 255
    coloured = plane in (Plane.COLOUR, Plane.INDEX)
    few = len(distinct) <= FEW and not (lossy and coloured)
    colours = _colours_of(picture, distinct) if plane is Plane.INDEX and few else [-1] * FEW
    values = _values(codes, distinct, counts, colours[: len(distinct)]) if few else ()
    if coloured and (_blends(values) if few else plane is Plane.COLOUR):
        # by brightness, as soft colours must; and by the colours that they are blends of
        blended = _many(codes_of(picture, Plane.LEVELS), Plane.COLOUR, lossy, 255)
        return replace(blended, mains=_mains(codes_of(picture, Plane.COLOUR).astype(np.int64)))
    if not few:
        return replace(_many(codes, plane, lossy, top), cut_out=cut_out)
    wall = _wall(codes, distinct) if len(distinct) == 3 else None
    return MaskLook(plane, lossy, top, values, palette=palette, cut_out=cut_out, wall=wall)


def _values_from(plain: Any) -> tuple[Value, ...]:
    return tuple(
        Value(int(c), int(n), float(t), int(b), int(s), int(k)) for c, n, t, b, s, k in plain
    )


def _distinct(codes: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The values of a mask, and the pixels of each."""
    if codes.dtype != np.uint8:
        return np.unique(codes, return_counts=True)
    lit, white = np.count_nonzero(codes), np.count_nonzero(codes == _FULL)
    if lit == white and 0 < lit < codes.size:  # most masks, at a fifth of the time
        return np.array([0, _FULL]), np.array([codes.size - lit, lit])
    histogram = np.array(Image.fromarray(codes).histogram())  # ten times as fast as bincount
    distinct = np.flatnonzero(histogram)
    return distinct, histogram[distinct]


def _colours_of(picture: Image.Image, indices: NDArray[np.int64]) -> list[int]:
    if picture.mode != "P":
        return [-1] * len(indices)
    flat = list(picture.getpalette("RGB") or []) + [0] * 768
    return [flat[3 * i] << 16 | flat[3 * i + 1] << 8 | flat[3 * i + 2] for i in indices.tolist()]


def _values(
    codes: NDArray[Any], distinct: NDArray[np.int64], counts: NDArray[np.int64], colours: list[int]
) -> tuple[Value, ...]:
    thick = np.zeros(len(distinct))
    if len(distinct) > 2:
        thick = _thickness(np.searchsorted(distinct, codes).astype(np.uint8), counts)
    edges = [codes[0], codes[-1], codes[:, 0], codes[:, -1]]
    on = np.zeros((4, len(distinct)), dtype=np.int64)
    for edge, of_edge in zip(edges, on, strict=True):
        of_edge[:-1] = [np.count_nonzero(edge == code) for code in distinct[:-1]]
        of_edge[-1] = edge.size - of_edge.sum()
    sides = ((on > 0) * np.array([[1], [2], [4], [8]])).sum(axis=0)
    columns = (distinct, counts, np.round(thick, 1), on.sum(axis=0), sides, colours)
    return tuple(
        Value(int(code), int(count), float(t), int(border), int(side), int(colour))
        for code, count, t, border, side, colour in zip(*columns, strict=True)
    )


def _wall(codes: NDArray[Any], distinct: NDArray[np.int64]) -> int | None:
    """Of three values the one without which no pixel of one other touches one of the third."""
    ranks = np.searchsorted(distinct, codes).astype(np.uint8)
    touching = {
        frozenset((a, b))
        for lines in (ranks, ranks.T)
        for a, b in {*zip(*divmod(np.unique(lines[:, 1:] * 3 + lines[:, :-1]), 3), strict=True)}
    }
    apart = [r for r in range(3) if frozenset({0, 1, 2} - {r}) not in touching]
    return int(distinct[apart[0]]) if len(apart) == 1 else None


def _blends(values: tuple[Value, ...]) -> bool:
    """Whether all but two of many colours are the thin blends of an edge."""
    between = sorted(values, key=lambda v: v.count)[:-2]
    pixels = sum(v.count for v in between)
    thick = sum(v.count * v.thickness for v in between)
    return len(between) >= _EDGE and thick < _SOFT * pixels


def _mains(packed: NDArray[np.int64]) -> tuple[Value, ...]:
    """The colours that fill areas, fullest first."""
    planes = np.stack([packed >> shift & 255 for shift in (16, 8, 0)], axis=-1)
    flat = np.zeros(packed.shape, dtype=np.bool_)
    flat[1:-1, 1:-1] = np.all(
        [
            np.abs(planes[1:-1, 1:-1] - moved).max(axis=-1) <= _GENTLE
            for moved in (planes[:-2, 1:-1], planes[2:, 1:-1], planes[1:-1, :-2], planes[1:-1, 2:])
        ],
        axis=0,
    )
    left, found = planes[flat], list[NDArray[np.int64]]()
    least = max(_SPOT * packed.size, 4)
    while len(left) >= least and len(found) < _COLOURS:
        cells, counts = np.unique(left // _CELL @ (1, 64, 4096), return_counts=True)
        if counts.max() < least:
            break
        fullest = left[left // _CELL @ (1, 64, 4096) == cells[counts.argmax()]]
        found.append(np.median(fullest, axis=0).astype(np.int64))
        left = left[np.abs(left - found[-1]).max(axis=1) > _APART]
    if not found:
        return ()
    colours = [int(r) << 16 | int(g) << 8 | int(b) for r, g, b in found]
    nearest = nearest_colours(packed, np.array(colours))
    distinct, counts = np.unique(nearest, return_counts=True)
    names = np.array(colours)[distinct]
    by_rank = _values(np.searchsorted(distinct, nearest), np.arange(len(distinct)), counts,
                      [-1] * len(distinct))  # fmt: skip
    named = [replace(v, code=int(c)) for v, c in zip(by_rank, names, strict=True)]
    return tuple(sorted(named, key=lambda v: -v.count))


def _thickness(ranks: NDArray[np.uint8], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pixels a run, along rows or columns, whichever are shorter."""
    runs = []
    for lines in (ranks, ranks.T):
        starts = lines[:, 1:][lines[:, 1:] != lines[:, :-1]]
        first = np.bincount(lines[:, 0], minlength=len(counts))
        runs.append(np.bincount(starts, minlength=len(counts)) + first)
    return np.asarray(counts / np.maximum(np.maximum(*runs), 1))


def _many(codes: NDArray[Any], plane: Plane, lossy: bool, top: int) -> MaskLook:
    half = (top + 1) // 2
    width = (top + 1) // _BINS
    bins = np.bincount(np.clip(codes // width, 0, _BINS - 1).reshape(-1), minlength=_BINS)
    on = codes >= (int(codes.max()) + 1) // 2
    edges = (on[0], on[-1], on[:, 0], on[:, -1])
    sides = sum(1 << i for i, edge in enumerate(edges) if edge.any())
    between = ((codes > 0) & (codes < top)).astype(np.uint8)
    thick = _thickness(between, np.array([np.sum(between == i) for i in (0, 1)]))[1]
    return MaskLook(
        plane,
        lossy,
        top,
        bins=tuple(int(n) for n in bins),
        half=int(np.count_nonzero(codes == half)),
        sides=sides,
        thickness=round(float(thick), 1),
    )
