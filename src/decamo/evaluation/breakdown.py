"""What of an image's IoU is lost to each kind of error; without what it takes to find that out."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

__all__ = [
    "BAND_SHARE",
    "ERROR_KINDS",
    "Loss",
    "band_of",
    "mean_loss",
]

# Share of the diagonal, from Boundary IoU's settings: 2 % for small COCO images, 0.5 % for
# Cityscapes. Photographs of camouflage are large and their outlines fine; 2 % of 1024 x 768 px is
# 26 px, in which most small animals would be all boundary.
BAND_SHARE = 0.005
ERROR_KINDS = ("missed", "false", "boundary", "hole", "part", "spill")


@dataclass(frozen=True)
class Loss:
    """Where the IoU of an image, or the mean over images, was lost.

    Attributes:
        missed: share of the union, in [0, 1], lost to each kind of error; see ``error_analysis``.
        false: as above.
        boundary: as above.
        hole: as above.
        part: as above.
        spill: as above.
        iou: what is left; 1 minus the sum of the six.
        iou_perfect_boundary: the IoU if every pixel of kind ``boundary`` were right.
    """

    missed: float
    false: float
    boundary: float
    hole: float
    part: float
    spill: float
    iou: float
    iou_perfect_boundary: float


def band_of(shape: tuple[int, int]) -> int:
    """Width of the boundary band on each side of the outline, in px: 0.5 % of the diagonal."""
    return max(1, round(BAND_SHARE * math.hypot(*shape)))


def mean_loss(losses: Sequence[Loss]) -> Loss:
    """Mean over images of each field; NaN where there is no image."""
    if not losses:
        return Loss(*(float("nan") for _ in fields(Loss)))
    columns = [array("d") for _ in fields(Loss)]
    for loss in losses:  # each is asked once
        for field, column in zip(fields(Loss), columns, strict=True):
            column.append(getattr(loss, field.name))
    return Loss(*(float(np.mean(column)) for column in columns))
