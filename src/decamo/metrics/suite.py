"""The scores of an image, and their mean over images: per image first, means after."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from decamo.metrics.mae import mae
from decamo.metrics.overlap import dice, iou

__all__ = ["THRESHOLD", "Scores", "mean_scores", "score"]

THRESHOLD = 0.5


@dataclass(frozen=True)
class Scores:
    """IoU and Dice at threshold 0.5 and mean absolute error, each in [0, 1]."""

    iou: float
    dice: float
    mae: float


def score(probability: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> Scores:
    """Scores of one image at its mask's native size.

    Args:
        probability: float32 ``[H, W]`` in [0, 1].
        mask: bool ``[H, W]``.

    Raises:
        ValueError: the shapes differ.
    """
    if probability.shape != mask.shape:
        raise ValueError(f"want {mask.shape}, the mask's shape; got {probability.shape}")
    binary = probability >= THRESHOLD
    return Scores(iou(binary, mask), dice(binary, mask), mae(probability, mask))


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Mean over images of each score; NaN where there is no image."""
    if not scores:
        return Scores(*(float("nan") for _ in fields(Scores)))
    return Scores(*(float(np.mean([getattr(s, f.name) for s in scores])) for f in fields(Scores)))
