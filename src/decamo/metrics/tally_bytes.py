"""The tally of a prediction in grey levels: one histogram a quarter, then whole numbers."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from decamo.metrics.counts import Counts
from decamo.metrics.nearness import Box, box_of
from decamo.metrics.tally import Cut, Part, Quarter, Tally, quarters_of

__all__ = ["Scale", "scale_of", "tally_bytes"]

LEVELS = np.arange(256)
MANY = 1 << 16  # pixels from which counting them in pairs pays


class Scale(NamedTuple):
    """What grey level ``k`` means: the value ``(k - low) / span``, in float64 ``values[k]``."""

    low: int
    span: int
    values: npt.NDArray[np.float64]


def scale_of(grey: npt.NDArray[np.uint8], *, stretch: bool) -> Scale:
    """Grey levels as values in [0, 1]: over 255, or stretched so that the extremes are 0 and 1.

    A prediction of one grey level is not stretched. ``values`` is float64 ``[256]``, rounded as
    the reference rounds; levels that the prediction does not have may lie outside [0, 1].
    """
    values = LEVELS / 255
    if stretch:
        low, high = int(grey.min()), int(grey.max())
        if low != high:
            values = (values - values[low]) / (values[high] - values[low])
            return Scale(low, high - low, values)
    return Scale(0, 255, values)


def tally_bytes(grey: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], scale: Scale) -> Tally:
    """The tally of a uint8 prediction ``[H, W]`` and a bool mask ``[H, W]``."""
    slices = quarters_of(mask)
    busy = box_of(mask | (grey != scale.low)) or Box(0, 0, 0, 0)
    tables = np.stack([_table(grey, mask, window, busy, scale.low) for window in slices])
    outside, inside = tables.sum(axis=0)
    steps = LEVELS - scale.low
    first, second, third, fourth = (
        _quarter(table, steps, scale, mask.shape, s)
        for table, s in zip(tables, slices, strict=True)
    )
    quantised = (np.clip(scale.values, 0, 1) * 255).astype(np.uint8)
    half = 2 * steps >= scale.span
    error = int(inside @ (scale.span - steps)) + int(outside @ steps)
    return Tally(
        counts=Counts(_regrade(inside, quantised), _regrade(outside, quantised)),
        adaptive=_adaptive(inside, outside, steps, scale, grey),
        half=Cut(int(inside[half].sum()), int(outside[half].sum())),
        inside=_part(inside, steps, scale.span),
        outside=_part(outside, steps, scale.span),
        quarters=(first, second, third, fourth),
        error=error / scale.span,
    )


def _table(
    grey: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
    window: tuple[slice, slice],
    busy: Box,
    idle: int,
) -> npt.NDArray[np.int64]:
    """Pixels of a window outside and inside the mask at each grey level, int64 ``[2, 256]``.

    Beyond the box ``busy`` all is ground of the grey level ``idle``, and need not be looked at.
    """
    rows, columns = window
    part = (
        slice(max(rows.start, busy.top), min(rows.stop, busy.bottom)),
        slice(max(columns.start, busy.left), min(columns.stop, busy.right)),
    )
    table = _count(grey[part], mask[part])
    table[0, idle] += grey[window].size - grey[part].size
    return table


def _count(grey: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Pixels outside and inside the mask at each grey level, int64 ``[2, 256]``."""
    if grey.size < MANY:
        code = (mask.astype(np.uint16) << 8) | grey
        return np.bincount(code.ravel(), minlength=512).reshape(2, 256)
    flat = grey.ravel()
    even = flat.size // 2 * 2
    pairs = np.bincount(flat[:even].view(np.uint16), minlength=1 << 16).reshape(256, 256)
    both = pairs.sum(axis=0) + pairs.sum(axis=1) + np.bincount(flat[even:], minlength=256)
    inside = np.bincount(grey[mask], minlength=256)
    return np.stack([both - inside, inside])


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
    scale: Scale,
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
    scale: Scale,
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
