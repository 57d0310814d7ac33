"""Overlap of a binary prediction with a binary mask: intersection over union, and Dice.

IoU (Jaccard 1912) = TP / (TP + FP + FN); Dice (Dice 1945) = 2 TP / (2 TP + FP + FN).
"""

import numpy as np
import numpy.typing as npt

__all__ = ["dice", "iou"]

Binary = npt.NDArray[np.bool_]


def iou(prediction: Binary, mask: Binary) -> float:
    """Intersection over union of two bool ``[H, W]`` arrays, in [0, 1].

    Two empty arrays agree wholly: 1. A prediction on an empty mask scores 0.
    """
    union = np.count_nonzero(prediction | mask)
    return np.count_nonzero(prediction & mask) / union if union else 1.0


def dice(prediction: Binary, mask: Binary) -> float:
    """Dice coefficient of two bool ``[H, W]`` arrays, in [0, 1]; two empty ones give 1."""
    total = np.count_nonzero(prediction) + np.count_nonzero(mask)
    return 2 * np.count_nonzero(prediction & mask) / total if total else 1.0
