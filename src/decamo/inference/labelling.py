"""A network's own label for a photograph: the region of best expected IoU, and how sure it is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from decamo.inference.predictor import Predictor
from decamo.inference.tta import best_expected_iou, decided
from decamo.inference.views import PreparedImage
from decamo.metrics import THRESHOLD

__all__ = ["NetworkLabel", "label_by"]


@dataclass(frozen=True)
class NetworkLabel:
    """What a network says of a photograph.

    Attributes:
        mask: bool ``[H, W]``, at the photograph's size as displayed: what ``decamo predict --decide
            iou`` has from 0.5 on.
        confidence: the IoU that this region is expected to have with the object, in [0, 1], by the
            network's own probabilities at its own size.
    """

    mask: npt.NDArray[np.bool_]
    confidence: float


def label_by(predictor: Predictor, photograph: PreparedImage) -> NetworkLabel:
    """Label one photograph.

    Args:
        predictor: of decision ``half``: the confidence is that of maps that were not moved.
        photograph: as ``predictor.prepare`` gives it.
    """
    logits = torch.from_numpy(predictor.look([photograph])[0])[None, None]
    moved = decided(logits)[0, 0].numpy()
    mask = predictor.finish(moved, photograph.native) >= THRESHOLD
    return NetworkLabel(mask, float(best_expected_iou(logits)[0]))
