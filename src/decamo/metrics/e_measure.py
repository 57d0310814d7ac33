"""E-measure (Fan et al., "Enhanced-alignment measure for binary foreground map evaluation", 2018).

IJCAI 2018, pages 698 to 704.
"""

import numpy as np
import numpy.typing as npt

from decamo.metrics.counts import Curve

__all__ = ["e_measure"]

EPS = float(np.spacing(1.0))
Whole = npt.NDArray[np.int64]


def e_measure(tp: Whole, fp: Whole, n_object: int, n: int) -> Curve:
    """Enhanced alignment of a mask with binary predictions, one for each element of the counts.

    The alignment of a pixel depends on nothing but whether the pixel is object in the prediction
    and in the mask, so an image has four values of it, and four counts tell the sum.

    Args:
        tp: int64 ``[K]``, object pixels found by each of K predictions.
        fp: int64 ``[K]``, ground pixels that each takes for object.
        n_object: pixels of the object.
        n: pixels of the image.

    Returns:
        float64 ``[K]``. As the authors do, the sum is divided by ``n - 1``, so that a perfect
        prediction of a small image scores above 1, and one pixel scores 0 or 1 / eps (4.5e15).
        On an empty mask it is the share of pixels left as ground, on a full one of those taken.
    """
    taken = tp + fp
    if n_object == 0:
        total = np.asarray(n - taken, dtype=np.float64)
    elif n_object == n:
        total = np.asarray(taken, dtype=np.float64)
    else:
        pixels = np.stack([tp, fp, n_object - tp, n - n_object - fp])
        predicted = np.stack([1 - taken / n, -(taken / n)])[[0, 0, 1, 1]]
        truth = np.array([1 - n_object / n, -(n_object / n)])[[0, 1, 0, 1], None]
        alignment = 2 * (predicted * truth) / (predicted**2 + truth**2 + EPS)
        total = (((alignment + 1) ** 2 / 4) * pixels).sum(axis=0)
    return total / (n - 1 + EPS)
