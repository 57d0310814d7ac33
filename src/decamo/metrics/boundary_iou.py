"""Boundary IoU (Cheng et al., "Boundary IoU: improving object-centric image segmentation", 2021).

CVPR 2021, pages 15334 to 15342.
"""

import numpy as np
import numpy.typing as npt

from decamo.metrics.nearness import box_of
from decamo.metrics.overlap import iou

__all__ = ["boundary_iou", "inner_boundary"]

Binary = npt.NDArray[np.bool_]
SHARE = 0.02  # width of the boundary over the image's diagonal; the authors' value


def boundary_iou(prediction: Binary, mask: Binary) -> float:
    """IoU of the inner boundaries of two bool ``[H, W]`` arrays, in [0, 1].

    The width is 2 % of the image's diagonal, rounded, at least 1 pixel. Two empty arrays give 1.
    """
    height, width = mask.shape
    reach = max(1, round(SHARE * float(np.hypot(height, width))))
    return iou(inner_boundary(prediction, reach), inner_boundary(mask, reach))


def inner_boundary(binary: Binary, reach: int) -> Binary:
    """The object's pixels within ``reach`` pixels of its outside, by chessboard distance.

    What lies beyond the image's edge is outside, as in the authors' code.
    """
    boundary = binary.copy()
    box = box_of(binary)
    if box is not None:
        window = (slice(box.top, box.bottom), slice(box.left, box.right))
        core = np.pad(binary[window], reach)
        for axis in (0, 1):
            core = _erode(core, reach, axis)
        np.greater(boundary[window], core, out=boundary[window])  # and not in the core
    return boundary


def _erode(binary: Binary, reach: int, axis: int) -> Binary:
    """AND over windows of ``2 reach + 1``, which must lie inside, by doubling their length."""
    window, length = 2 * reach + 1, 1
    kept = np.moveaxis(binary, axis, 0)
    while length < window:
        step = min(length, window - length)
        kept = kept[:-step] & kept[step:]
        length += step
    return np.moveaxis(kept, 0, axis)
