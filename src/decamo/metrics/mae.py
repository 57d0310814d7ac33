"""Mean absolute error between a probability map and a mask (Perazzi et al., CVPR 2012)."""

import numpy as np
import numpy.typing as npt

__all__ = ["mae"]


def mae(probability: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> float:
    """Mean of ``|probability - mask|`` over the pixels, in [0, 1]; both ``[H, W]``.

    The probability is taken as it is: it is not stretched to [0, 1] by its own extremes, as some
    toolboxes do.
    """
    return float(np.abs(probability.astype(np.float64) - mask).mean())
