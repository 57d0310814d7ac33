"""The resizes of :class:`decamo.geometry.Squash` without torch: in 8 bits equal to the last bit.

torch resizes bytes in whole numbers: each weight is rounded to a fraction of a power of two that
the largest one still fits 16 bits by, and each of the two passes rounds to bytes (ATen's
``UpSampleKernelAVXAntialias.h``, after Pillow-SIMD). Pillow itself keeps 22 bits of a weight, which
moves some pixels by one level.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["squashed", "stretched"]

_MOST_BITS = 22
_SIXTEEN_BITS = 1 << 15
_AT_ONCE = 1 << 16  # numbers, which stay in a processor's cache from one tap to the next
_CACHED = 64  # pairs of sizes; a folder of photographs has few

_Places = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float32]


def squashed(image: _Bytes, size: tuple[int, int]) -> _Bytes:
    """An image at another size, as :meth:`decamo.geometry.Squash.apply` makes it.

    Args:
        image: uint8 ``[H, W, C]``.
        size: new height and width, in px.

    Returns:
        uint8 ``[C, h, w]``.
    """
    lying = image.transpose(1, 2, 0)  # columns first: rows of the source lie together
    lying = _byte_pass(np.ascontiguousarray(lying), size[1])
    return _byte_pass(np.ascontiguousarray(lying.transpose(2, 1, 0)), size[0]).transpose(1, 0, 2)


def stretched(plane: _Floats, size: tuple[int, int]) -> _Floats:
    """A map at another size, as :meth:`decamo.geometry.Squash.undo` makes it, up to rounding.

    Args:
        plane: float32 ``[h, w]``.
        size: new height and width, in px.

    Returns:
        float32 ``[H, W]``.
    """
    lying = _float_pass(np.ascontiguousarray(plane.T), size[1])
    return _float_pass(np.ascontiguousarray(lying.T), size[0])


def _byte_pass(values: _Bytes, new: int) -> _Bytes:
    """Resize the first axis of ``[n, ...]``."""
    if len(values) == new:
        return values
    places, weights, bits = _whole_taps(len(values), new)
    total = np.full((new, *values.shape[1:]), 1 << (bits - 1), np.int32)  # rounds to nearest
    for place, weight in zip(places, weights, strict=True):
        total += weight.reshape(-1, *[1] * (values.ndim - 1)) * values[place]
    return np.clip(total >> bits, 0, 255).astype(np.uint8)


def _float_pass(values: _Floats, new: int) -> _Floats:
    if len(values) == new:
        return values
    places, weights = _taps(len(values), new, np.float32)
    total = np.zeros((new, values.shape[1]), np.float32)
    rows = max(1, _AT_ONCE // values.shape[1])
    for top in range(0, new, rows):
        part = slice(top, top + rows)
        for place, weight in zip(places[:, part], weights[:, part], strict=True):
            total[part] += weight[:, None].astype(np.float32) * values[place]
    return total


@lru_cache(maxsize=_CACHED)
def _whole_taps(old: int, new: int) -> tuple[_Places, npt.NDArray[np.int32], int]:
    """Places and whole weights ``[taps, new]``, and how many bits the weights have too many."""
    places, weights = _taps(old, new, np.float64)
    largest, bits = weights.max(), 0
    while bits < _MOST_BITS and int(0.5 + largest * (1 << (bits + 1))) < _SIXTEEN_BITS:
        bits += 1
    return places, np.floor(weights * (1 << bits) + 0.5).astype(np.int32), bits


@lru_cache(maxsize=_CACHED)
def _taps(old: int, new: int, kind: type) -> tuple[_Places, npt.NDArray[np.float64]]:
    """For each new position the old ones that it is a mean of, with their weights: ``[taps, new]``.

    A triangle as wide as two old positions, or two new ones where a side shrinks. ``kind`` is the
    number format in which torch finds centres and weights.
    """
    scale = kind(old) / kind(new)
    reach, inverse = (scale, kind(1) / scale) if scale >= 1 else (kind(1), kind(1))
    centre: npt.NDArray[Any] = (float(scale) * (np.arange(new) + 0.5)).astype(kind)
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    count = np.minimum((centre + reach + 0.5).astype(np.int64), old) - first
    step = np.arange(count.max())[:, None]
    away = (first + step).astype(kind) - centre
    weights = np.maximum(1 - np.abs((away + 0.5) * float(inverse)).astype(kind), 0)
    weights = np.where(step < count, weights, 0).astype(kind)
    places = np.minimum(first + step, old - 1)
    return places, weights / weights.sum(0)
