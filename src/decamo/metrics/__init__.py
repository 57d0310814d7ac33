"""Scalars to publish: one file a measure, ``suite`` joins them."""

from decamo.metrics.calibration import BIN_CURVES, BINS
from decamo.metrics.measures import (
    ImageMeasures,
    SetMeasures,
    dice,
    e_measure,
    f_measure,
    iou,
    mae,
    s_measure,
    summarize_measures,
)
from decamo.metrics.nearness_measures import boundary_iou, weighted_f
from decamo.metrics.suite import (
    THRESHOLD,
    Scores,
    binarise,
    mean_scores,
    measure,
    object_and_ground,
    score,
    scores_of,
)
from decamo.metrics.tallying import short_tally

__all__ = [
    "BINS",
    "BIN_CURVES",
    "THRESHOLD",
    "ImageMeasures",
    "Scores",
    "SetMeasures",
    "binarise",
    "boundary_iou",
    "dice",
    "e_measure",
    "f_measure",
    "iou",
    "mae",
    "mean_scores",
    "measure",
    "object_and_ground",
    "s_measure",
    "score",
    "scores_of",
    "short_tally",
    "summarize_measures",
    "weighted_f",
]
