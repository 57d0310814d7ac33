"""The measures that look at neighbourhoods: boundary IoU and the weighted F-measure.

Cheng et al., "Boundary IoU: improving object-centric image segmentation", CVPR 2021, pages 15334 to
15342; Margolin et al., "How to evaluate foreground maps?", CVPR 2014.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from decamo.metrics.distances import REACH, SQUARES, Box, box_of, distances, fill_rim

__all__ = [
    "boundary_iou",
    "inner_boundary",
    "spared",
    "weighted_f",
]

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


EPS = float(np.spacing(1.0))
FRAME = 7  # pixels of frame around the object: 3 of rim, and 4 more that its offsets may touch
BLOCK = 32  # pixels smoothed at once as a product of matrices; 16 and 64 are slower
# Pixels weighed at once: OpenBLAS gives longer products to threads (from 10,000 on), whose waiting
# takes the cores from other scoring processes.
ALONE = 8192
TILE = (96, 192)  # smoothed in the cache, in products too small for OpenBLAS to start threads
_KERNEL = np.exp(-(np.arange(-3, 4) ** 2) / 50)  # 7 taps, sigma 5: the authors' choice
_TAPS = _KERNEL / _KERNEL.sum()
_KERNELS = np.sum([np.eye(BLOCK, BLOCK + 6, k) * tap for k, tap in enumerate(_TAPS)], axis=0)
# Grey levels are whole numbers, which float32 holds exactly; a mean of them it rounds by 1e-7 of
# itself, and F by less than that. It halves the bytes of a product. Floats stay float64.
_KERNELS_OF = {kind: _KERNELS.astype(kind) for kind in (np.float32, np.float64)}
# The weight's part that falls with the distance, at each place in SQUARES; far away it is left out.
_FALL = np.zeros(len(SQUARES))
_NEAR = np.flatnonzero(SQUARES <= REACH**2)
_FALL[_NEAR] = 2.0 ** (-np.sqrt(SQUARES[_NEAR]) / 5)


def weighted_f(
    prediction: npt.NDArray[Any],
    mask: npt.NDArray[np.bool_],
    on_ground: float,
    levels: tuple[int, int] = (0, 255),
    box: Box | None = None,
) -> float:
    """F of weighted precision and recall, beta 1, in [0, 1]; 0 where the mask is empty.

    An object pixel's error is at most the mean error around it (a 7 x 7 Gaussian), where ground
    pixels bear the error of the nearest object pixel. A ground pixel's error weighs from 1 beside
    the object to 2 far away: ``2 - 2 ** (-d / 5)`` for the Euclidean distance ``d`` in pixels.

    Args:
        prediction: ``[H, W]``: float32 or float64 in [0, 1], or uint8.
        mask: bool ``[H, W]``.
        on_ground: sum of the prediction over the pixels outside the mask, as values in [0, 1].
        levels: the grey levels of a uint8 prediction that mean 0 and 1, its least and greatest.
        box: the mask's, which need not be looked for where it is known.
    """
    box = box or box_of(mask)
    if box is None:
        return 0.0
    zero, one = levels if prediction.dtype == np.uint8 else (0, 1)
    unit = 1 / (one - zero)
    n = int(np.count_nonzero(mask))
    missed = unit * _missed(prediction, mask, box, one)
    false = 2 * on_ground
    ground = (prediction - prediction.dtype.type(zero)) * ~mask
    for window, offsets in distances(mask, box, ground):
        false -= unit * spared(ground[window], offsets)
    recall = 1 - missed / n
    precision = (n - missed) / (n - missed + false + EPS)
    return 2 * recall * precision / (recall + precision + EPS)


def spared(ground: npt.NDArray[Any], offsets: npt.NDArray[np.intp]) -> float:
    """Sum of the ground's errors times the part of the weight that falls with the distance.

    Args:
        ground: ``[h, w]`` of any type, 0 on the object.
        offsets: intp ``[h, w]``, from :func:`decamo.metrics.distances.distances`.
    """
    total, rows = 0.0, max(1, ALONE // ground.shape[1])
    for top in range(0, len(ground), rows):
        fall = _FALL.take(offsets[top : top + rows], mode="clip")
        total += float(np.vdot(ground[top : top + rows].astype(np.float64), fall))
    return total


def _missed(prediction: npt.NDArray[Any], mask: npt.NDArray[np.bool_], box: Box, one: int) -> float:
    """Sum over the object of the lesser of its error and the mean error around."""
    window = (slice(box.top, box.bottom), slice(box.left, box.right))
    height, width = box.bottom - box.top, box.right - box.left
    shape = (height + 2 * FRAME, width + 2 * FRAME)
    core = (slice(FRAME, -FRAME), slice(FRAME, -FRAME))
    kind = np.float32 if prediction.dtype == np.uint8 else np.float64
    object_, error = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=kind)
    object_[core] = mask[window]
    own = (prediction.dtype.type(one) - prediction[window]) * mask[window]
    error[core] = own
    fill_rim(error, object_, _inside(shape, mask.shape, box))
    total, rim = 0.0, error[FRAME - 3 : 3 - FRAME, FRAME - 3 : 3 - FRAME]
    for top in range(0, height, TILE[0]):
        for left in range(0, width, TILE[1]):
            part = own[top : top + TILE[0], left : left + TILE[1]].astype(kind)
            around = _smooth(rim[top : top + TILE[0] + 6, left : left + TILE[1] + 6])
            total += float(np.minimum(part, around).sum(dtype=np.float64))
    return total


def _inside(shape: tuple[int, int], image: tuple[int, int], box: Box) -> npt.NDArray[np.bool_]:
    """Which pixels of the frame lie in the image; beyond it, errors count as 0."""
    rows = np.arange(shape[0]) + box.top - FRAME
    columns = np.arange(shape[1]) + box.left - FRAME
    return ((rows >= 0) & (rows < image[0]))[:, None] & ((columns >= 0) & (columns < image[1]))


def _smooth(error: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The 7 x 7 Gaussian mean, by columns and then by rows; 3 pixels less on each side."""
    kernels = _KERNELS_OF[error.dtype.type]
    height, width = len(error) - 6, error.shape[1] - 6
    column = np.empty((height, width + 6), dtype=error.dtype)
    for start in range(0, height, BLOCK):
        part = column[start : start + BLOCK]
        n = len(part)
        np.matmul(kernels[:n, : n + 6], error[start : start + n + 6], out=part)
    mean = np.empty((height, width), dtype=error.dtype)
    for start in range(0, width, BLOCK):
        part = mean[:, start : start + BLOCK]
        n = part.shape[1]
        np.matmul(column[:, start : start + n + 6], kernels[:n, : n + 6].T, out=part)
    return mean
