"""Weighted F-measure (Margolin et al., "How to evaluate foreground maps?", CVPR 2014)."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["weighted_f"]

EPS = float(np.spacing(1.0))


def weighted_f(value: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_]) -> float:
    """Weighted F of a prediction ``[H, W]`` in [0, 1] and a bool mask ``[H, W]``; beta = 1.

    0 where the mask is empty.
    """
    n = int(np.count_nonzero(mask))
    if n == 0:
        return 0.0
    distance, (row, column) = ndimage.distance_transform_edt(~mask, return_indices=True)
    error = np.abs(value - mask)
    spread = error[row, column]
    x = np.exp(-(np.arange(-3, 4) ** 2) / 50)
    x /= x.sum()
    for axis in (0, 1):
        spread = ndimage.correlate1d(spread, x, axis, mode="constant")
    missed = float(np.minimum(error, spread)[mask].sum())
    false = float((error * (2 - np.exp(np.log(0.5) / 5 * distance)))[~mask].sum())
    return combine(n, missed, false)


def combine(n: int, missed: float, false: float) -> float:
    """F of weighted recall and precision."""
    recall = 1 - missed / n
    precision = (n - missed) / (n - missed + false + EPS)
    return 2 * recall * precision / (recall + precision + EPS)
