"""What a map says, in figures."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from decamo.inference.expected import expected_iou
from decamo.inference.strips import row_strips
from decamo.metrics import THRESHOLD

__all__ = ["MapFigures", "figures_of"]


@dataclass(frozen=True)
class MapFigures:
    """Figures of one map.

    Attributes:
        width: px.
        height: px.
        area: of the object, px.
        object_share: of the image that is object, in [0, 1].
        box: left, top, width and height of the smallest box around all of the object, px; None
            where there is none.
        confidence: mean probability within the object, in [0.5, 1]; None where there is none.
        expected_iou: see :func:`decamo.inference.expected.expected_iou`.
    """

    width: int
    height: int
    area: int
    object_share: float
    box: tuple[int, int, int, int] | None
    confidence: float | None
    expected_iou: float


def figures_of(probability: npt.NDArray[np.float32]) -> MapFigures:
    """The figures of a map, float ``[H, W]`` in [0, 1]."""
    mask = probability >= THRESHOLD
    height, width = mask.shape
    area = int(mask.sum())
    box = confidence = None
    if area:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        left, top = int(columns[0]), int(rows[0])
        box = left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
        strips = row_strips(mask.shape)
        met = sum(probability[r][mask[r]].sum(dtype=np.float64) for r in strips)
        confidence = float(met / area)
    sure = expected_iou(probability)
    return MapFigures(width, height, area, float(mask.mean()), box, confidence, sure)
