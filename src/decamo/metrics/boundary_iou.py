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
        inner = boundary[box.top : box.bottom, box.left : box.right]
        np.greater(inner, _erode(inner, reach), out=inner)  # and not in the core
    return boundary


def _erode(binary: Binary, reach: int) -> Binary:
    """AND over squares of ``2 reach + 1``, which must lie inside, by doubling their sides.

    Rows lie one after the other with ``2 reach`` of outside between them, so that one shift along
    that line, of pixels or of rows, serves the whole array.
    """
    (height, width), side = binary.shape, 2 * reach + 1
    stride = width + 2 * reach
    line = np.zeros(stride * (height + 2 * reach) + 2 * reach, dtype=np.bool_)
    padded = line[: stride * (height + 2 * reach)].reshape(-1, stride)
    padded[reach : reach + height, reach : reach + width] = binary
    for unit in (1, stride):
        length = 1
        while length < side:
            step = min(length, side - length)
            line = line[: -step * unit] & line[step * unit :]
            length += step
    return line.reshape(height, stride)[:, :width]
