"""How well a map is expected to fit, from its own probabilities."""

import numpy as np
import numpy.typing as npt

from decamo.inference.strips import row_strips
from decamo.metrics import THRESHOLD

__all__ = ["expected_iou"]


def expected_iou(probability: npt.NDArray[np.float32]) -> float:
    """The IoU that the region from ``THRESHOLD`` on is expected to have with the object, in [0, 1].

    By probabilities p, a region of k pixels meets an object of ``sum(p)`` pixels in ``c``, the sum
    of p within, so that their IoU is about ``c / (k + sum(p) - c)``: the quotient of expectations
    that :func:`decamo.inference.tta.decided` makes largest (Nowozin, CVPR 2014). It is as good as
    the probabilities are calibrated, and ranks rather than measures. Maps that were moved by
    ``--decide iou`` are taken as they are.

    Args:
        probability: float ``[H, W]`` in [0, 1].

    Returns:
        0 where no region is found though some pixel is possible; 1 where none is.
    """
    met, size, total = 0.0, 0, 0.0
    for rows in row_strips(probability.shape):
        p = probability[rows].astype(np.float64)
        region = p >= THRESHOLD
        met, size = met + float(p[region].sum()), size + int(region.sum())
        total += float(p.sum())
    union = size + total - met
    return met / union if union else 1.0
