"""F-measure (Achanta et al., "Frequency-tuned salient region detection", CVPR 2009)."""

import numpy as np
import numpy.typing as npt

from decamo.metrics.counts import Curve, ratio

__all__ = ["BETA_SQUARED", "f_measure"]

BETA_SQUARED = 0.3  # precision weighs more than recall; the paper's value and the field's


def f_measure(precision: npt.NDArray[np.float64], recall: npt.NDArray[np.float64]) -> Curve:
    """``(1 + b) P R / (b P + R)`` with ``b = 0.3``, element by element; 0 where P and R are 0."""
    return ratio((BETA_SQUARED + 1) * precision * recall, BETA_SQUARED * precision + recall)
