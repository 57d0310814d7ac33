"""Boundary IoU (Cheng et al., "Boundary IoU: improving object-centric image segmentation", 2021).

CVPR 2021, pages 15334 to 15342.
"""

import numpy as np
import numpy.typing as npt

from decamo.metrics.distances import box_of

__all__ = ["boundary_iou", "inner_boundary"]

Binary = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint8]
SHARE = 0.02  # width of the boundary over the image's diagonal; the authors' value


def boundary_iou(prediction: Binary, mask: Binary, void: Binary | None = None) -> float:
    """IoU of the inner boundaries of two bool ``[H, W]`` arrays, in [0, 1].

    The width is 2 % of the image's diagonal, rounded, at least 1 pixel. Two empty arrays give 1.

    What is ``void``, of the same shape, counts as inside of both, so that no outline runs along it,
    and is then left out.
    """
    if void is not None:
        prediction, mask = prediction | void, mask | void
    height, width = mask.shape
    reach = max(1, round(SHARE * float(np.hypot(height, width))))
    box = box_of(prediction | mask)
    if box is None:
        return 1.0
    window = (slice(box.top, box.bottom), slice(box.left, box.right))
    bits = mask[window].astype(np.uint8)
    bits += bits
    bits |= prediction[window].view(np.uint8)
    boundary = inner_boundary(bits, reach)
    if void is not None:
        boundary[void[window]] = 0
        if not boundary.any():
            return 1.0
    return np.count_nonzero(boundary == 3) / np.count_nonzero(boundary)


def inner_boundary(bits: Bits, reach: int) -> Bits:
    """The objects' pixels within ``reach`` pixels of their outside, by chessboard distance.

    What lies beyond the image's edge is outside, as in the authors' code. Both arrays are uint8
    ``[H, W]``, one object a bit, so that one erosion serves all.
    """
    return bits ^ _erode(bits, reach)


def _erode(bits: Bits, reach: int) -> Bits:
    """AND over squares of ``2 reach + 1``, which must lie inside, by doubling their sides.

    Rows lie one after the other with ``2 reach`` of outside between them, so that one shift along
    that line, of pixels or of rows, serves the whole array.
    """
    (height, width), side = bits.shape, 2 * reach + 1
    stride = width + 2 * reach
    line = np.zeros(stride * (height + 2 * reach) + 2 * reach, dtype=np.uint8)
    padded = line[: stride * (height + 2 * reach)].reshape(-1, stride)
    padded[reach : reach + height, reach : reach + width] = bits
    for unit in (1, stride):
        length = 1
        while length < side:
            step = min(length, side - length)
            line = line[: -step * unit] & line[step * unit :]
            length += step
    return line.reshape(height, stride)[:, :width]
