"""The tally of a prediction, in grey levels or in floating point.

Of grey levels it takes one histogram a quarter, then whole numbers; of floating point sums in
float64 and cuts in the prediction's own precision.
"""

from struct import pack
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from decamo.metrics.calibration import of_floats, of_levels
from decamo.metrics.distances import Box, box_of
from decamo.metrics.tally import Counts, Cut, Part, Quarter, ShortTally, Tally, quarters_of

__all__ = [
    "ByteScale",
    "Floats",
    "scale_of",
    "short_tally",
    "tally_bytes",
    "tally_floats",
]

LEVELS = np.arange(256)


class ByteScale(NamedTuple):
    """What grey level ``k`` means: the value ``(k - low) / span``, in float64 ``values[k]``."""

    low: int
    span: int
    values: npt.NDArray[np.float64]


def scale_of(grey: npt.NDArray[np.uint8], *, stretch: bool) -> ByteScale:
    """Grey levels as values in [0, 1]: over 255, or stretched so that the extremes are 0 and 1.

    A prediction of one grey level is not stretched. ``values`` is float64 ``[256]``, rounded as
    the reference rounds; levels that the prediction does not have may lie outside [0, 1].
    """
    values = LEVELS / 255
    if stretch:
        low, high = int(grey.min()), int(grey.max())
        if low != high:
            values = (values - values[low]) / (values[high] - values[low])
            return ByteScale(low, high - low, values)
    return ByteScale(0, 255, values)


def tally_bytes(
    grey: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
    scale: ByteScale,
    known: npt.NDArray[np.bool_] | None = None,
    *,
    above_half: bool = False,
    box: Box | None = None,
) -> Tally:
    """The tally of a uint8 prediction ``[H, W]`` and a bool mask ``[H, W]``.

    Where ``known``, bool ``[H, W]``, is False, the mask is too, and the pixel counts nowhere. With
    ``above_half`` a pixel of exactly 0.5, as the reference's floats have it, is no object in
    ``half``. ``box`` is the mask's, which need not be looked for where it is known.
    """
    box = box or box_of(mask)
    slices = quarters_of(mask, box)
    tables = _tables(grey, mask, slices, scale.low, box)
    if known is not None:
        tables -= _left_out(grey, known, slices)
    outside, inside = tables.sum(axis=0)
    steps = LEVELS - scale.low
    first, second, third, fourth = (
        _quarter(table, steps, scale, mask.shape, s)
        for table, s in zip(tables, slices, strict=True)
    )
    quantised = (np.clip(scale.values, 0, 1) * 255).astype(np.uint8)
    half = scale.values > 0.5 if above_half else 2 * steps >= scale.span
    error = int(inside @ (scale.span - steps)) + int(outside @ steps)
    return Tally(
        counts=Counts(_regrade(inside, quantised), _regrade(outside, quantised)),
        adaptive=_adaptive(inside, outside, steps, scale, grey if known is None else grey[known]),
        half=Cut(int(inside[half].sum()), int(outside[half].sum())),
        inside=_part(inside, steps, scale.span),
        outside=_part(outside, steps, scale.span),
        quarters=(first, second, third, fourth),
        error=error / scale.span,
        reliability=of_levels(inside, outside),
    )


def _tables(
    grey: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
    slices: list[tuple[slice, slice]],
    idle: int,
    box: Box | None,
) -> npt.NDArray[np.int64]:
    """Pixels outside and inside the mask at each grey level, a quarter, int64 ``[4, 2, 256]``.

    Beyond a box all is ground of the grey level ``idle``, and need not be looked at.
    """
    nothing = Box(0, 0, 0, 0)
    box, busy = box or nothing, _busy(grey, mask, idle) or nothing
    # Pillow counts a byte in a third of the time that NumPy's bincount takes.
    levels, objects = Image.fromarray(grey), Image.fromarray(mask.view(np.uint8))
    counts: list[int] = []
    for quarter in slices:
        every, inside = _common(quarter, busy), _common(quarter, box)
        counts += levels.crop(every).histogram() if every else 256 * [0]
        counts += levels.crop(inside).histogram(objects.crop(inside)) if inside else 256 * [0]
    # Packed, a list becomes an array in a third of the time.
    tables = np.frombuffer(pack(f"{len(counts)}q", *counts), np.int64).reshape(4, 2, 256).copy()
    tables[:, 0] -= tables[:, 1]
    for table, s in zip(tables, slices, strict=True):
        table[0, idle] += grey[s].size - int(table.sum())
    return tables


def _busy(grey: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], idle: int) -> Box | None:
    """The box of all but ground of the grey level ``idle``."""
    height, width = grey.shape
    edges = (grey[0], grey[-1], grey[:, 0], grey[:, -1])
    if all((edge != idle).any() for edge in edges):  # as a grey ground has it
        return Box(0, height, 0, width)
    return box_of(mask | (grey != idle))


def _common(window: tuple[slice, slice], box: Box) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of what lies in both, as Pillow has them; None: nothing does."""
    rows, columns = window
    left, right = max(columns.start, box.left), min(columns.stop, box.right)
    top, bottom = max(rows.start, box.top), min(rows.stop, box.bottom)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _left_out(
    grey: npt.NDArray[np.uint8], known: npt.NDArray[np.bool_], slices: list[tuple[slice, slice]]
) -> npt.NDArray[np.int64]:
    """Pixels that are not known, all of them outside the mask, as :func:`_tables` counts them."""
    tables = np.zeros((4, 2, 256), dtype=np.int64)
    for table, where in zip(tables, slices, strict=True):
        table[0] = np.bincount(grey[where][~known[where]], minlength=256)
    return tables


def _regrade(
    histogram: npt.NDArray[np.int64], levels: npt.NDArray[np.uint8]
) -> npt.NDArray[np.int64]:
    """The histogram after each grey level became ``levels[k]``."""
    graded = np.zeros(256, dtype=np.int64)
    np.add.at(graded, levels, histogram)
    return graded


def _part(histogram: npt.NDArray[np.int64], steps: npt.NDArray[np.int64], span: int) -> Part:
    n, first, second = _sums(histogram, steps)
    if n == 0:
        return Part(0, 0.0, 0.0)
    variance = (n * second - first**2) / (n * (n - 1) * span**2) if n > 1 else 0.0
    return Part(n, first / (n * span), variance**0.5)


def _quarter(
    table: npt.NDArray[np.int64],
    steps: npt.NDArray[np.int64],
    scale: ByteScale,
    shape: tuple[int, int],
    where: tuple[slice, slice],
) -> Quarter:
    n, first, second = _sums(table[0] + table[1], steps)
    if n == 0:
        return Quarter(0, 0, 0.0, 0.0, 0.0)
    n_object, first_object, _ = _sums(table[1], steps)
    spread = (n * second - first**2) / (n * scale.span**2)
    if spread == 0 and n_object in (0, n) and 0 < first < n * scale.span:
        # One grey level, on pure ground or pure object: the reference scores 1 or 0 by whether its
        # float64 mean of equal values meets them exactly. Its rounding is part of the standard.
        value = float(scale.values[first // n + scale.low])
        spread = n * (float(np.full(shape, value)[where].mean()) - value) ** 2
    joint = (n * first_object - first * n_object) / (n * scale.span)
    return Quarter(n, n_object, first / (n * scale.span), spread, joint)


def _sums(histogram: npt.NDArray[np.int64], steps: npt.NDArray[np.int64]) -> tuple[int, int, int]:
    """Pixels, sum, and sum of squares, as whole numbers of any size."""
    return int(histogram.sum()), int(histogram @ steps), int(histogram @ steps**2)


def _adaptive(
    inside: npt.NDArray[np.int64],
    outside: npt.NDArray[np.int64],
    steps: npt.NDArray[np.int64],
    scale: ByteScale,
    grey: npt.NDArray[np.uint8],
) -> Cut:
    """Counts at twice the mean of the prediction, at most 1."""
    both = inside + outside
    n, total, _ = _sums(both, steps)
    if 2 * total >= n * scale.span:
        taken = steps >= scale.span
    else:
        taken = steps * n >= 2 * total
        if total and (both[steps * n == 2 * total]).any():
            # A grey level right on the threshold: the reference's rounded mean decides.
            taken = scale.values >= 2 * scale.values[grey].mean()
    return Cut(int(inside[taken].sum()), int(outside[taken].sum()))


Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def tally_floats(
    value: Floats,
    mask: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_] | None = None,
    *,
    above_half: bool = False,
    raw: Floats | None = None,
) -> Tally:
    """The tally of a float prediction ``[H, W]`` in [0, 1] and a bool mask ``[H, W]``.

    Where ``known``, bool ``[H, W]``, is False, the mask is too, and the pixel counts nowhere. With
    ``above_half`` a pixel of exactly 0.5 is no object in ``half``. ``raw`` is the prediction before
    it was stretched, where it was.
    """
    slices = quarters_of(mask)
    if known is None:
        first, second, third, fourth = (_float_quarter(value[s], mask[s]) for s in slices)
        inside, outside, mean = value[mask], value[~mask], value.mean()
    else:
        first, second, third, fourth = (
            _float_quarter(value[s][known[s]][None], mask[s][known[s]][None]) for s in slices
        )
        inside, outside, mean = value[mask], value[~mask & known], value[known].mean()
    threshold = min(2 * mean, 1)
    short = short_tally(inside, outside, above_half=above_half)
    return Tally(
        counts=Counts(_histogram(inside), _histogram(outside)),
        adaptive=Cut(_at_least(inside, threshold), _at_least(outside, threshold)),
        half=short.half,
        inside=_float_part(inside),
        outside=_float_part(outside),
        quarters=(first, second, third, fourth),
        error=short.error,
        reliability=of_floats(value if raw is None else raw, mask, known),
    )


def short_tally(inside: Floats, outside: Floats, *, above_half: bool = False) -> ShortTally:
    """The short tally of a float prediction in [0, 1] on an object and on its ground, each ``[N]``.

    With ``above_half`` a pixel of exactly 0.5 is no object in ``half``.
    """
    one = inside.dtype.type(1)
    half = float(np.nextafter(inside.dtype.type(0.5), one)) if above_half else 0.5
    return ShortTally(
        inside.size + outside.size,
        inside.size,
        Cut(_at_least(inside, half), _at_least(outside, half)),
        float(inside.size - inside.sum(dtype=np.float64) + outside.sum(dtype=np.float64)),
    )


def _histogram(value: Floats) -> npt.NDArray[np.int64]:
    return np.bincount((value * 255).astype(np.uint8), minlength=256)


def _at_least(value: Floats, threshold: float) -> int:
    return int(np.count_nonzero(value >= threshold))


def _float_part(value: Floats) -> Part:
    if value.size == 0:
        return Part(0, 0.0, 0.0)
    mean = float(value.mean(dtype=np.float64))
    std = float(value.std(ddof=1, dtype=np.float64)) if value.size > 1 else 0.0
    return Part(value.size, mean, std)


def _float_quarter(value: Floats, mask: npt.NDArray[np.bool_]) -> Quarter:
    if value.size == 0:
        return Quarter(0, 0, 0.0, 0.0, 0.0)
    # The mean in the prediction's own precision, as the reference takes it: whether equal values
    # deviate from it decides between the scores 1 and 0 on pure ground.
    mean = value.mean()
    deviation = value - mean
    n_object = int(np.count_nonzero(mask))
    spread = float(np.einsum("ij,ij->", deviation, deviation, dtype=np.float64))
    joint = 0.0
    if 0 < n_object < value.size:
        total = float(deviation.sum(dtype=np.float64))
        joint = float(deviation[mask].sum(dtype=np.float64)) - n_object / value.size * total
    return Quarter(value.size, n_object, float(mean), spread, joint)
